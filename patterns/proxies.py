# SPDX-License-Identifier: BSD-3-Clause
"""Proxies for publish-subscribe: publishers and subscribers know one address, and messages may change their transport.

    publisher XPUB ---messages---> XSUB forwarder XPUB ---messages---> SUB subscriber
                   <--subscriptions--         PUB <--subscriptions----
                                               ---copies---> SUB tap

    python -m patterns.proxies forwarder --capture tcp://127.0.0.1:5567
    python -m patterns.proxies tap --count 3
    python -m patterns.publish_subscribe subscriber tea --endpoint tcp://127.0.0.1:5566 --count 1
    python -m patterns.proxies publisher "tea hot"

A subscription is a message: a byte 01 (00 when it is cancelled) and the prefix (RFC 29). Frames pass as they came. Left
out: what has no room is dropped; nothing is written to disk. Copy alone; from the shell with `play.py`.
Source: the ZeroMQ Guide, chapter 2, "The Dynamic Discovery Problem", and chapter 5, "Pub-Sub Tracing (Espresso)".
"""

from typing import Any

import zmq

PUBLISHERS = "tcp://127.0.0.1:5565"
SUBSCRIBERS = "tcp://127.0.0.1:5566"
CAPTURE = "tcp://127.0.0.1:5567"
UPSTREAM = "tcp://127.0.0.1:5556"  # where the publisher of `publish_subscribe` is bound
COUNT = 5  # copies that a tap takes
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.

# What each trouble, of a forwarder, of a subscriber or the connection between them, does to what is published then.
GUARANTEES = {
    "crash": ("lost", "test_what_a_forwarder_has_when_it_dies_is_lost"),
    "freeze": ("blocked", "test_nobody_gets_anything_until_a_frozen_forwarder_thaws"),
    "cut": ("lost", "test_what_is_published_while_the_way_to_a_subscriber_is_cut_is_lost"),
    "slow": ("lost", "test_a_slow_subscriber_loses_the_newest_and_the_others_lose_nothing"),
    "restart": ("lost", "test_a_restarted_forwarder_passes_nothing_on_until_the_subscriber_is_back"),
}
# In the textbook's words: best effort, at most once; the order of one publisher is kept, and the proxy is a single
# point of failure. Use something else when each message is work for one (`shared_queue`, a pipeline), when latecomers
# need the current value (`last_value_cache`), or when each message counts.


def forwarder(
    ctx: zmq.Context[Any], publishers: str = PUBLISHERS, subscribers: str = SUBSCRIBERS, capture: str = ""
) -> None:
    """Pass messages to those who have subscribed, and subscriptions to the publishers, for ever. Both sides connect.

    capture  bind here, unless it is empty, and publish a copy of all that passes, in both directions, as it came
    """
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.PUB) as copies:
        back.linger = copies.linger = LINGER
        front.bind(publishers)
        back.bind(subscribers)
        if capture:  # a PUB drops what nobody hears; a socket that waits for a reader would hold up everything
            copies.bind(capture)
        zmq.proxy(front, back, copies if capture else None)


def bridge(ctx: zmq.Context[Any], upstream: str = UPSTREAM, downstream: str = SUBSCRIBERS) -> None:
    """Make what is published in one place heard in another, by another transport perhaps, for ever.

    upstream    a publisher, or the subscribers' side of another proxy, is bound here
    downstream  bind here
    """
    with ctx.socket(zmq.XSUB) as near, ctx.socket(zmq.XPUB) as far:
        near.heartbeat_ivl, near.rcvhwm = round(PING * 1000), 0
        far.linger = LINGER
        far.bind(downstream)
        near.connect(upstream)
        zmq.proxy(near, far)


def publisher(ctx: zmq.Context[Any], *messages: bytes, endpoint: str = PUBLISHERS) -> None:
    """Publish each message once, in turn, as soon as somebody has subscribed to it; return when the last is sent."""
    if not messages:
        raise ValueError("messages: expected at least one")
    wanted: set[bytes] = set()
    with ctx.socket(zmq.XPUB) as pub:
        pub.linger, pub.sndhwm = LINGER, 0  # no limit: an XPUB drops what is above, and all is in memory anyway
        pub.connect(endpoint)
        for message in messages:
            while not any(message.startswith(prefix) for prefix in wanted):
                match pub.recv_multipart():
                    case [event] if event.startswith(b"\1"):
                        wanted.add(event[1:])
                    case [event] if event.startswith(b"\0"):
                        wanted.discard(event[1:])
            pub.send(message)


def tap(ctx: zmq.Context[Any], endpoint: str = CAPTURE, count: int = COUNT) -> list[str]:
    """Return the next `count` copies of what passes: `+ prefix`, `- prefix` for subscriptions, `= frames` for messages.

    A copy does not say which way it went, so a message that begins with a byte 01 or 00 looks like a subscription.
    """
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count!r}")
    seen: list[str] = []
    with ctx.socket(zmq.SUB) as sub:
        sub.heartbeat_ivl, sub.rcvhwm = round(PING * 1000), 0
        sub.subscribe(b"")
        sub.connect(endpoint)
        while len(seen) < count:
            frames = sub.recv_multipart()
            sign = {b"\1": "+ ", b"\0": "- "}.get(frames[0][:1], "= ") if len(frames) == 1 else "= "
            words = [frame.decode(errors="backslashreplace") for frame in frames]
            seen.append(sign + (" ".join(words) if sign == "= " else words[0][1:]))
    return seen


if __name__ == "__main__":
    from .play import play

    play(forwarder, bridge, publisher, tap)
