# SPDX-License-Identifier: BSD-3-Clause
# Not yet: subscribers were sent something other than the messages.

from patterns.slow_joiner import publisher


def publish(ctx, messages, endpoint, subscribers):
    texts = [text.decode() for topic, text in messages]
    publisher(ctx, *texts, subscribers=subscribers, stream=endpoint, ready="inproc://ready")
