# SPDX-License-Identifier: BSD-3-Clause
"""Publish-subscribe: a publisher tells everybody, and each subscriber gets what it has subscribed to.

    publisher PUB ---message---> SUB subscriber
                  ---message---> SUB subscriber

    python -m patterns.publish_subscribe publisher "S1 platform 4" "S10 on time"
    python -m patterns.publish_subscribe subscriber S1

Frames: one, [message]. A subscription is the bytes with which a message must begin; the publisher's socket filters
(RFC 29). Left out: what was published before a subscription arrived, or while a connection was gone, is not kept, and
what is more than the publisher's high-water mark (1,000 for each subscriber) is dropped without a word.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 1, "Getting the Message Out".
"""

import itertools
import math
from typing import Any

import zmq

ENDPOINT = "tcp://127.0.0.1:5556"
INTERVAL = 0.5  # seconds from one message to the next
COUNT = 5  # messages that a subscriber takes
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.

# What each trouble, of a subscriber, its connection or its publisher, does to what is published meanwhile.
GUARANTEES = {
    "crash": ("lost", "test_what_is_published_while_a_subscriber_is_dead_is_lost"),
    "freeze": ("lost", "test_a_frozen_subscriber_loses_what_no_longer_fits_into_its_queues"),
    "cut": ("lost", "test_what_is_published_while_the_connection_is_cut_is_lost"),
    "slow": ("lost", "test_a_slow_subscriber_loses_the_newest_when_its_queues_are_full"),
    "restart": ("lost", "test_a_restarted_publisher_is_found_again_and_what_it_said_before_is_lost"),
}
# In the textbook's words: best effort, at most once; the order of one publisher is kept.
# Use something else when a subscriber must have all (number the messages and ask for those that are missing) or must
# know the current value at once (keep the last value of each topic).


def publisher(ctx: zmq.Context[Any], *messages: bytes, endpoint: str = ENDPOINT, interval: float = INTERVAL) -> None:
    """Publish these messages in turn, over and over, for ever, whether anybody listens or not.

    `interval` is the time in seconds from one to the next. A late subscriber gets what comes next.
    """
    if not messages:
        raise ValueError("messages: expected at least one")
    if not 0 <= interval < math.inf:
        raise ValueError(f"interval: expected seconds from 0, got {interval!r}")
    with ctx.socket(zmq.PUB) as pub:
        pub.linger = LINGER
        pub.bind(endpoint)
        for message in itertools.cycle(messages):
            pub.send(message)
            pub.poll(math.ceil(interval * 1000))  # a PUB receives nothing: this is a pause that ends with its Context


def subscriber(ctx: zmq.Context[Any], *prefixes: bytes, endpoint: str = ENDPOINT, count: int = COUNT) -> list[bytes]:
    """Return the next `count` messages that begin with one of these prefixes. Waits as long as it takes.

    Every message begins with b"", and with no prefix at all nothing would ever come.
    """
    if not prefixes:
        raise ValueError("prefixes: expected at least one; b'' stands for everything")
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count!r}")
    received: list[bytes] = []
    with ctx.socket(zmq.SUB) as sub:
        sub.heartbeat_ivl, sub.rcvhwm = round(PING * 1000), 0
        for prefix in prefixes:
            sub.subscribe(prefix)
        sub.connect(endpoint)
        while len(received) < count:
            match sub.recv_multipart():
                case [message]:
                    received.append(message)
    return received


if __name__ == "__main__":
    from .play import play

    play(publisher, subscriber)
