# SPDX-License-Identifier: BSD-3-Clause
"""Last value cache: whoever subscribes gets the current value of each of its topics at once, then the changes.

    publisher XPUB ---values---> SUB cache XPUB ---values---> SUB subscriber
                   <--everything--         <-----topics------

    python -m patterns.last_value_cache publisher oven=180 oven.door=closed tea=hot
    python -m patterns.last_value_cache cache
    python -m patterns.last_value_cache subscriber oven --count 2

Frames: [topic][value]; subscriptions are prefixes of the topic (RFC 29). The answer to a subscription goes to all who
have subscribed to that topic. Left out: values do not expire, nothing is written to disk, order is per publisher; a
publisher with a high-water mark (1,000 by default) drops what is more at once, and the cache never learns of it.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 5, "Last Value Caching".
"""

from typing import Any

import zmq

UPSTREAM = "tcp://127.0.0.1:5563"
DOWNSTREAM = "tcp://127.0.0.1:5564"
ROOM = 100_000  # messages that wait for one subscriber: more than twice the topics, or an answer may not fit
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.
COUNT = 1  # changes that a subscriber takes

# What each trouble does to the current value, for a subscriber that comes late or comes back.
GUARANTEES = {
    "crash": ("safe", "test_the_cache_answers_when_the_publisher_is_dead"),
    "freeze": ("blocked", "test_nobody_is_answered_until_a_frozen_cache_thaws"),
    "cut": ("safe", "test_a_subscriber_whose_connection_was_cut_comes_back_to_the_current_value"),
    "slow": ("lost", "test_a_slow_subscriber_loses_the_newest_when_its_room_is_full"),
    "restart": ("lost", "test_a_restarted_cache_knows_nothing_until_the_publisher_speaks"),
}
# In the textbook's words: the current value at least once, the changes between at most once.
# Use something else when values belong together (a snapshot), when each change counts (number them and ask again), or
# when the values must outlive the cache (a database).


def publisher(ctx: zmq.Context[Any], *values: str, endpoint: str = UPSTREAM) -> None:
    """Publish each `topic=value` once, as soon as somebody has subscribed to anything; then stay, and say no more."""
    said = [value.partition("=") for value in values]
    if not said or not all(topic and equals for topic, equals, _ in said):
        raise ValueError(f"values: expected at least one, each as topic=value, got {values!r}")
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.linger, xpub.sndhwm = LINGER, 0  # no limit: an XPUB drops what is above, and all is in memory anyway
        xpub.bind(endpoint)
        while not xpub.recv().startswith(b"\1"):  # strangers may send something else
            pass
        for topic, _, value in said:
            xpub.send_multipart([topic.encode(), value.encode()])
        while True:
            xpub.recv_multipart()


def cache(ctx: zmq.Context[Any], upstream: str = UPSTREAM, downstream: str = DOWNSTREAM, room: int = ROOM) -> None:
    """Pass every [topic][value] on, and answer each subscription with the last value of all topics that it fits.

    News and answers leave through one socket, so nobody gets an old value after a newer one.

    room  how many messages may wait for one subscriber; what is more is dropped. libzmq may count up to half as many
          that have been read already.
    """
    if room < 1:
        raise ValueError(f"room: expected at least 1, got {room!r}")
    last: dict[bytes, bytes] = {}
    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.XPUB) as xpub:
        xpub.linger, xpub.sndhwm, xpub.xpub_verbose = LINGER, room, True
        xpub.bind(downstream)
        sub.heartbeat_ivl, sub.rcvhwm = round(PING * 1000), 0
        sub.subscribe(b"")
        sub.connect(upstream)
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        poller.register(xpub, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if sub in ready:
                match sub.recv_multipart():
                    case [topic, value]:
                        last[topic] = value
                        xpub.send_multipart([topic, value])
            if xpub in ready:
                match xpub.recv_multipart():
                    case [event] if event.startswith(b"\1"):
                        for topic, value in last.items():
                            if topic.startswith(event[1:]):
                                xpub.send_multipart([topic, value])


def subscriber(ctx: zmq.Context[Any], *prefixes: bytes, endpoint: str = DOWNSTREAM, count: int = COUNT) -> list[bytes]:
    """Return the next `count` changes as topic=value. A repeated value is not a change."""
    if not prefixes:
        raise ValueError("prefixes: expected at least one; b'' stands for everything")
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count!r}")
    last: dict[bytes, bytes] = {}
    changes: list[bytes] = []
    with ctx.socket(zmq.SUB) as sub:
        sub.heartbeat_ivl, sub.rcvhwm = round(PING * 1000), 0
        for prefix in prefixes:
            sub.subscribe(prefix)
        sub.connect(endpoint)
        while len(changes) < count:
            match sub.recv_multipart():
                case [topic, value] if last.get(topic) != value:
                    last[topic] = value
                    changes.append(topic + b"=" + value)
    return changes


if __name__ == "__main__":
    from .play import play

    play(publisher, cache, subscriber)
