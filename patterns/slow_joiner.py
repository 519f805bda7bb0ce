# SPDX-License-Identifier: BSD-3-Clause
"""Slow joiner: a publisher that begins when every subscriber hears it, so that nobody misses the first messages.

    publisher PUB  ---HELLO, texts---> SUB  subscriber
              PULL <----READY--------- PUSH

    python -m patterns.slow_joiner publisher tea milk water --subscribers 2
    python -m patterns.slow_joiner subscriber Ada
    python -m patterns.slow_joiner subscriber Bo

Frames: [HELLO] again and again until so many have said [READY][name]; then each text as [number/of how many][text].
RFC 29 has PUB and SUB, the frames are ours. Left out: what was published while a subscriber was away is gone.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 2, "Node Coordination".
"""

import re
from typing import Any

import zmq

STREAM = "tcp://127.0.0.1:5561"
READY = "tcp://127.0.0.1:5562"
PAUSE = 0.1  # seconds from one HELLO to the next while somebody is missing
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.
LABEL = re.compile(rb"(\d{1,9})/(\d{1,9})")  # number of the text, from 1, and how many there are

# What each trouble, of a subscriber or its connection, does to what that subscriber gets; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_a_subscriber_that_dies_after_its_ready_is_not_waited_for"),
    "freeze": ("blocked", "test_nobody_gets_anything_until_a_frozen_subscriber_thaws"),
    "cut": ("lost", "test_what_is_published_while_a_connection_is_cut_is_lost"),
    "slow": ("safe", "test_a_subscription_that_takes_its_time_is_waited_for"),
    "restart": ("lost", "test_a_restarted_subscriber_is_taken_for_the_one_that_was_ready"),
}
# In the textbook's words: at most once, and everything from the first text on for who stays connected.
# Use something else when subscribers come and go (a last value cache, a snapshot) or when the publisher cannot know
# how many there will be (let each wait for a welcome message).


def publisher(
    ctx: zmq.Context[Any], *texts: str, subscribers: int = 1, stream: str = STREAM, ready: str = READY
) -> None:
    """Publish the texts once so many subscribers are ready; then stay for those that are slow.

    A subscriber says READY to a HELLO. The HELLO takes the way of the texts, because nothing else proves that its
    subscription has arrived. Names are counted, so whoever says READY twice is still one.
    """
    if not texts:
        raise ValueError("texts: expected at least one")
    if subscribers < 1:
        raise ValueError(f"subscribers: expected at least 1, got {subscribers}")
    there: set[bytes] = set()
    with ctx.socket(zmq.PUB) as pub, ctx.socket(zmq.PULL) as pull:
        pub.linger, pub.sndhwm = LINGER, 0  # no limit: a PUB drops what is above, and all is in memory anyway
        pub.bind(stream)
        pull.bind(ready)
        while len(there) < subscribers:
            pub.send(b"HELLO")
            while len(there) < subscribers and pull.poll(round(PAUSE * 1000)):
                match pull.recv_multipart():
                    case [b"READY", name]:
                        there.add(name)
        for number, text in enumerate(texts, 1):
            pub.send_multipart([b"%d/%d" % (number, len(texts)), text.encode()])
        while True:  # what a slow subscriber has no room for yet waits in this socket
            pull.recv_multipart()


def subscriber(ctx: zmq.Context[Any], name: str, stream: str = STREAM, ready: str = READY) -> list[str]:
    """Say READY to each HELLO, collect the texts, and return them when the last has come.

    name  by which the publisher counts: no two subscribers may have the same
    """
    if not name:
        raise ValueError("name: expected at least one character")
    texts: list[str] = []
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.PUSH) as tell:
        sub.heartbeat_ivl, sub.rcvhwm = round(PING * 1000), 0
        sub.subscribe(b"")
        sub.connect(stream)
        tell.linger, tell.heartbeat_ivl = LINGER, round(PING * 1000)
        tell.connect(ready)
        while True:
            match sub.recv_multipart():
                case [b"HELLO"]:
                    tell.send_multipart([b"READY", name.encode()])
                case [label, text] if known := LABEL.fullmatch(label):
                    texts.append(text.decode(errors="replace"))
                    if known[1] == known[2]:
                        return texts


if __name__ == "__main__":
    from .play import play

    play(publisher, subscriber)
