# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a message was not given at once, because others before it were missing.

from patterns import replay


def subscriber(ctx, topic, stream, history, shell):
    shell(ctx, replay.Subscriber(topic, stream, history))
