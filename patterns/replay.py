# SPDX-License-Identifier: BSD-3-Clause
"""Replay: messages are numbered, so a subscriber sees which it has missed, and asks a bounded history for them.

    publisher PUB    ---stream---> SUB    subscriber         publish PUSH ---feed---> PULL publisher
              ROUTER <--history--> DEALER

    python -m patterns.replay publisher tea  |  subscriber tea  |  publish tea hot cold      (each in its own terminal)

Frames, numbers in 8 bytes, high one first, counted for each topic: a message is [topic][number][payload], a beat
[topic][last number]. [REPLAY][topic][first][last] asks for a range. The answer is a batch from there on,
[HISTORY][topic][first][payload]…, or, where that is too old, what is still kept: [GONE][topic][oldest][payload]…
The words are ours; the idea is older than ZeroMQ (PGM, RFC 3208, sends a NAK for what is missing).
Left out: a history on disk; a subscriber that gives later messages before earlier ones. Copy with `shell.py`.
"""

import time
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import zmq

from .shell import AT_ONCE, LINGER, NEVER, Close, Effect, Open, Result, Send, Subscribe, run, serve

STREAM, HISTORY, FEED = "tcp://127.0.0.1:5571", "tcp://127.0.0.1:5572", "tcp://127.0.0.1:5573"
INTERVAL, LIVENESS = 0.5, 5  # seconds from one beat to the next; silent ones until a peer is given up
KEEP = 10_000  # messages of each topic that the publisher remembers
BATCH, BYTES = 1000, 1 << 20  # of one answer, at most; its last payload may be larger
ROOM = 10_000  # messages that a subscriber holds while an earlier one is missing; what comes then it asks for later
TIMEOUT = 10.0  # seconds that a subscriber role goes on without news
MOST = 2**64 - 1

# What each trouble does to the messages that a subscriber gets; the test beside it shows it.
GUARANTEES = {
    "crash": ("blocked", "test_without_its_publisher_a_subscriber_waits_until_its_timeout"),
    "freeze": ("safe", "test_a_subscriber_that_was_frozen_gets_every_number_once"),
    "cut": ("safe", "test_what_a_cut_connection_loses_is_replayed"),
    "slow": ("lost", "test_who_is_slower_than_the_history_is_told_what_it_will_never_get"),
    "restart": ("lost", "test_what_a_restarted_publisher_has_forgotten_is_told_as_gone"),
}
# In the textbook's words: exactly once and in order, or an honest gap; reliable multicast by negative acknowledgement.
# A Gone stands in the place of what is lost. No two lives of a publisher use one number, because each counts on from
# its clock, in nanoseconds. Only where that was put back is something lost in silence: what the new life published
# before it was first heard. Use something else where nothing may be lost at all (a log on disk, with acknowledgements),
# or where only the newest value counts (`last_value_cache`, `clone`).

Context = zmq.Context[Any]


class Message(NamedTuple):
    number: int
    payload: bytes


class Gone(NamedTuple):
    """The numbers from `first` up to `last`, which will never come."""

    first: int
    last: int


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name}: expected a number above 0, got {value!r}")


class Publisher:
    """The publisher's core: a PUB "stream", a ROUTER "history", and a PULL "feed" that takes [topic][payload].

    last  the number before the first message of each topic
    """

    def __init__(
        self, stream: str, history: str, feed: str, topics: list[bytes], last: int = 0,
        interval: float = INTERVAL, keep: int = KEEP, batch: int = BATCH,
    ) -> None:  # fmt: skip
        _check(interval=interval, keep=keep, batch=batch)
        if not topics or last < 0:
            raise ValueError(f"topics, last: expected at least one topic, and a number from 0; got {topics}, {last!r}")
        self.stream, self.history, self.feed = stream, history, feed
        self.interval, self.batch = interval, batch
        self.last = dict.fromkeys(topics, last)
        self.kept: dict[bytes, deque[bytes]] = {topic: deque(maxlen=keep) for topic in topics}
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Say of each topic which number was the last: nothing else shows that the last message was lost."""
        if self.deadline == AT_ONCE:
            yield Open("stream", zmq.PUB, self.stream, bind=True)
            yield Open("history", zmq.ROUTER, self.history, bind=True)
            # no limit: while a queue is full, libzmq 4.3.5 loses over ipc what a PUSH that closes has sent last
            yield Open("feed", zmq.PULL, self.feed, bind=True, options={"rcvhwm": 0})
        self.deadline = now + self.interval
        for topic, last in self.last.items():
            yield Send("stream", [topic, last.to_bytes(8)])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """Something to publish, or a subscriber that has missed something."""
        match socket, frames:
            case "feed", [topic, payload] if topic in self.kept:
                self.last[topic] += 1
                self.kept[topic].append(payload)
                yield Send("stream", [topic, self.last[topic].to_bytes(8), payload])
            case "history", [who, b"REPLAY", topic, *ends] if topic in self.kept and [*map(len, ends)] == [8, 8]:
                yield Send("history", [who, *self._batch(topic, *map(int.from_bytes, ends))])

    def _batch(self, topic: bytes, first: int, last: int) -> list[bytes]:
        """The messages from `first` up to `last`, or the oldest ones; as many as one answer may have."""
        kept, newest = self.kept[topic], self.last[topic]
        oldest = newest - len(kept) + 1
        word, begin = (b"GONE", oldest) if first < oldest else (b"HISTORY", min(first, newest + 1))
        payloads, size = list[bytes](), 0
        for payload in islice(kept, begin - oldest, max(begin, min(last, begin + self.batch - 1) + 1) - oldest):
            if size >= BYTES:
                break
            payloads.append(payload)
            size += len(payload)
        return [word, topic, begin.to_bytes(8), *payloads]


class Subscriber:
    """The core of a subscriber to one topic: a SUB "stream" and a DEALER "history".

    Its results are the topic's messages, each as a Message, once and in order, and a Gone in the place of those that
    will never come. Where it lacks some, or hears nothing, for `timeout` seconds, its result is TimeoutError.

    last  the number after which it begins; -1: with what it hears first
    """

    def __init__(
        self, topic: bytes, stream: str, history: str, last: int = -1,
        interval: float = INTERVAL, timeout: float = NEVER,
    ) -> None:  # fmt: skip
        _check(interval=interval, timeout=timeout)
        if not -1 <= last < MOST:
            raise ValueError(f"last: expected -1 or a number of 8 bytes, got {last!r}")
        self.topic, self.stream, self.history, self.timeout = topic, stream, history, timeout
        self.patience = interval * LIVENESS
        self.last = last  # all up to here has been given, or is gone
        self.heard = last  # what the stream said last; if it is above `last`, something is missing
        self.ahead: dict[int, bytes] = {}  # what has come although an earlier message is missing
        self.silence, self.retry, self.end = AT_ONCE, NEVER, NEVER  # until when we wait: for the stream, a batch, both
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Open the stream, again when it is silent for long; ask again when no batch comes; give up in the end."""
        if self.deadline == AT_ONCE:
            self.end = now + self.timeout
            yield Open("history", zmq.DEALER, self.history)
        if now >= self.end:
            self.silence = self.retry = self.end = NEVER
            said = f"nothing new from {self.stream} and {self.history} for {self.timeout:g} s"
            yield from (Close("stream"), Close("history"), Result(TimeoutError(said)))
        if now >= self.silence:
            self.silence = now + self.patience
            yield from (Close("stream"), Open("stream", zmq.SUB, self.stream), Subscribe("stream", self.topic))
        if now >= self.retry:
            yield from (Close("history"), Open("history", zmq.DEALER, self.history))  # nothing piles up in the old one
            yield self._ask(now)
        self.deadline = min(self.silence, self.retry, self.end)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A word of the stream, or a batch. What is neither, or of a topic that only begins like ours, is dropped."""
        match socket, frames:
            case "stream", [self.topic, number, *payload] if len(number) == 8 and len(payload) < 2:
                yield from self._word(int.from_bytes(number), payload, now)
            case "history", [b"HISTORY" | b"GONE" as word, self.topic, first, *payloads] if len(first) == 8:
                begin = int.from_bytes(first)
                self.ahead |= {n: each for n, each in enumerate(payloads, begin) if self.last < n <= self.heard}
                yield from self._give(min(begin - 1, self.heard) if word == b"GONE" else -1, now)

    def _word(self, number: int, payload: list[bytes], now: float) -> Iterator[Effect]:
        """A message, or a beat, which has no payload: by now the stream has said all up to this number."""
        before = number - len(payload)
        if self.last < 0:
            self.last = before
        elif before < self.heard:  # a stream does not go back: here is another publisher, whose clock is behind
            yield from (Result(Gone(self.last + 1, MOST)), Close("history"), Open("history", zmq.DEALER, self.history))
            self.last, self.ahead, self.retry = before, {}, NEVER
        self.heard, self.silence = number, now + self.patience
        if payload and len(self.ahead) < ROOM:
            self.ahead[number] = payload[0]
        yield from self._give(-1, now)

    def _give(self, gone: int, now: float) -> Iterator[Effect]:
        """Give what is next, as far as it is there; what is missing up to the number `gone` will never come."""
        before = self.last
        while self.last + 1 in self.ahead or self.last < gone:
            number = self.last + 1
            if number in self.ahead:
                self.last = number
                yield Result(Message(number, self.ahead.pop(number)))
            else:
                self.last = min(gone, self._next() - 1)
                yield Result(Gone(number, self.last))
        if self.last > before or self.last == self.heard:
            self.end, self.retry = now + self.timeout, NEVER
        if self.last < self.heard and self.retry == NEVER:
            yield self._ask(now)
        self.deadline = min(self.silence, self.retry, self.end)

    def _next(self) -> int:
        """The first number that has come although an earlier one is missing; one that is still to come."""
        return min(self.ahead, default=self.heard + 1)

    def _ask(self, now: float) -> Send:
        self.retry = now + self.patience
        return Send("history", [b"REPLAY", self.topic, (self.last + 1).to_bytes(8), (self._next() - 1).to_bytes(8)])


def publish(ctx: Context, topic: str, *payloads: str, feed: str = FEED, timeout: float = TIMEOUT) -> None:
    """Have these payloads published, in order. Raises TimeoutError when no publisher takes them."""
    _check(timeout=timeout)
    with ctx.socket(zmq.PUSH) as push:
        push.linger, push.immediate, push.sndtimeo = LINGER, True, round(timeout * 1000)
        push.connect(feed)
        try:
            for payload in payloads:
                push.send_multipart([topic.encode(), payload.encode()])
        except zmq.Again:
            raise TimeoutError(f"no publisher at {feed} took the message for {timeout:g} s") from None


def publisher(
    ctx: Context, *topics: str, stream: str = STREAM, history: str = HISTORY, feed: str = FEED,
    interval: float = INTERVAL, keep: int = KEEP,
) -> None:  # fmt: skip
    """Publish what the feed brings for these topics, and remember the last `keep` messages of each, for ever."""
    known = [topic.encode() for topic in topics]
    serve(ctx, Publisher(stream, history, feed, known, time.time_ns(), interval, keep))


def subscriber(
    ctx: Context, topic: str, stream: str = STREAM, history: str = HISTORY, count: int = 1, last: int = -1,
    interval: float = INTERVAL, timeout: float = TIMEOUT,
) -> list[Message | Gone]:  # fmt: skip
    """Follow a topic until so many of its messages are here, and return them, with what is gone in its place.

    Raises TimeoutError when some are missing, or nothing is heard, for `timeout` seconds.
    """
    _check(count=count)
    got: list[Message | Gone] = []
    for result in run(ctx, Subscriber(topic.encode(), stream, history, last, interval, timeout)):
        got.append(result)
        if sum(isinstance(each, Message) for each in got) == count:
            break
    return got


if __name__ == "__main__":
    from .play import play

    play(publisher, subscriber, publish)
