# SPDX-License-Identifier: BSD-3-Clause
# Not yet: subscribers were sent what is no message.

from patterns.slow_joiner import publisher


def publish(ctx, messages, endpoint, subscribers):
    texts = [text.decode() for topic, text in messages]
    publisher(ctx, *texts, subscribers=subscribers, stream=endpoint, ready="inproc://ready")
