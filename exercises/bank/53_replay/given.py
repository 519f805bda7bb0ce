# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq

from patterns.replay import Gone, Message
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe


class Subscriber:
    """The core of an alarm panel that follows one topic and holds nothing back. Its contract:

    The stream comes in on a SUB "stream": a message is [topic][number][payload], a beat [topic][last number]. A number
    is 8 bytes, most significant byte first; each message has the next one, but a publisher that was restarted counts on
    from a few thousand above. Words of topics that only begin like ours come in, too, and are none of ours. The panel
    begins with the first word that it hears: what was before that is not missing. A number is missing when the stream
    has reached it, it has not come, and is not gone.

    [REPLAY][topic][first][last] on a DEALER "history" asks for missing numbers, from first up to last. While something
    is missing, one request is under way, never two; it asks for none that has come, is gone, or lies above what
    the stream has reached. What comes back is [HISTORY][topic][first][payload]..., a payload for each number from first
    on: perhaps not as far as last, perhaps further than last, and even further than the stream. Or it is
    [GONE][topic][oldest][payload]..., the payloads from oldest on: then all that is missing below oldest will never
    come. Above what the stream has reached, GONE says nothing: that may still come.

    Give Result(Message(number, payload)) for each message at once when it comes, whatever is missing before it, and for
    each number only once, although it may come twice. Give Result(Gone(first, last)) for what will never come, at once,
    each number in one of them, and no number in them that has come.

    On the DEALER nothing is lost, and each request is answered in its turn, if late. The shell calls tick(now) first,
    and again when `now` has reached `deadline`, and receive(socket, frames, now) for every message. Both return a list
    of effects. After a tick the deadline lies later than `now`: it is the time of what is to be done next, NEVER if
    there is nothing.
    """

    def __init__(self, topic, stream, history):
        self.topic, self.stream, self.history = topic, stream, history
        self.deadline = AT_ONCE

    def tick(self, now):
        self.deadline = NEVER
        return [
            Open("stream", zmq.SUB, self.stream),
            Subscribe("stream", self.topic),
            Open("history", zmq.DEALER, self.history),
        ]

    def ask(self, first, last):
        return Send("history", [b"REPLAY", self.topic, first.to_bytes(8), last.to_bytes(8)])

    def receive(self, socket, frames, now):
        if socket == "stream" and len(frames) == 3:
            return [Result(Message(int.from_bytes(frames[1]), frames[2]))]
        return []


def subscriber(ctx, topic, stream, history, shell):
    """Give the core to a shell: the checker's, whose clock is a number, or `run` of patterns.shell."""
    shell(ctx, Subscriber(topic, stream, history))
