# SPDX-License-Identifier: BSD-3-Clause
"""Clone: a server has a state, key by key; replicas are complete copies of it, follow its updates, and notice a gap.

    server PUB    ---updates---> SUB    replica         change PUSH ---changes---> PULL server
           ROUTER <--snapshot--> DEALER

    python -m patterns.clone server tea=hot  |  replica  |  change tea=cold      (each in a terminal of its own)

Frames, numbers in 8 bytes, high one first: an update is [key][sequence][value], a sign of life [HUGZ][last sequence][].
[ICANHAZ?][sequence][n] asks for the snapshot of this sequence from its pair n on, or, where there is none, for one that
is as new, from pair 0 on. The answer is a batch, [KVSYNC][sequence][n][key][value]…; the last one is a [KTHXBAI].
The words are the Guide's (chapter 5, "Reliable Pub-Sub") and RFC 12's; the batches are ours, for a ROUTER drops what is
too much at once. Left out: to delete, and updates by replicas (`clone_updates`). Copy with `shell.py`.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import zmq

from .shell import AT_ONCE, LINGER, NEVER, Close, Effect, Open, Result, Send, Subscribe, run, serve

UPDATES, SNAPSHOTS, CHANGES = "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557", "tcp://127.0.0.1:5558"
INTERVAL, LIVENESS = 0.5, 5  # seconds from one sign of life to the next; silent ones until a peer is given up
PAIRS, BYTES = 1000, 1 << 20  # of one batch; its last value may be larger
TIMEOUT = 10.0  # seconds that a replica role goes on without the server

# What each trouble does to the state that a replica shows; the test beside it shows it.
GUARANTEES = {
    "crash": ("blocked", "test_when_the_server_dies_a_replica_keeps_what_it_has_until_its_timeout"),
    "freeze": ("safe", "test_a_replica_that_was_frozen_is_complete_again"),
    "cut": ("safe", "test_updates_lost_on_a_cut_connection_are_noticed_and_made_good"),
    "slow": ("safe", "test_a_replica_that_is_too_slow_skips_updates_and_no_state_is_wrong"),
    "restart": ("lost", "test_replicas_follow_a_restarted_server_into_its_new_state"),
}
# In the textbook's words: a consistent prefix. Each state that is shown is one that the server had, none is older than
# the one shown before, and when all is quiet it is the server's. "Lost": a new server begins with what it is given, and
# the replicas follow. They notice, because no two lives of a server use one sequence number: it counts on from its
# clock, in nanoseconds. Use something else where every single update counts (`replay`), or where the state must outlive
# its server (`clone_ha`).

Context = zmq.Context[Any]
State = dict[bytes, bytes]
ICANHAZ, KVSYNC, KTHXBAI, HUGZ = b"ICANHAZ?", b"KVSYNC", b"KTHXBAI", b"HUGZ"


def _check(**numbers: float) -> None:
    for name, value in numbers.items():
        if not value > 0:
            raise ValueError(f"{name}: expected a number above 0, got {value!r}")


@dataclass
class _Copy:
    frames: list[bytes]  # key, value, key, value
    expiry: float = NEVER  # when it is forgotten, unless somebody asks for more of it


class Server:
    """The server's core: a PUB "updates", a ROUTER "snapshots", and a PULL "changes" for whoever owns the state.

    sequence  the number of the state that it begins with; each update has the next one
    """

    def __init__(
        self, updates: str, snapshots: str, changes: str, state: Mapping[bytes, bytes] | None = None,
        sequence: int = 0, interval: float = INTERVAL, pairs: int = PAIRS,
    ) -> None:  # fmt: skip
        _check(interval=interval, pairs=pairs)
        self.updates, self.snapshots, self.changes = updates, snapshots, changes
        self.state, self.sequence, self.interval, self.pairs = dict(state or {}), sequence, interval, pairs
        if HUGZ in self.state or sequence < 0:
            raise ValueError(f"state, sequence: expected keys other than HUGZ, and a number from 0; got {sequence!r}")
        self.copies: dict[int, _Copy] = {}  # the snapshots that replicas fetch just now, by their sequence
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Say that we live, and which update was the last; forget the snapshots that nobody fetches any more."""
        if self.deadline == AT_ONCE:
            yield Open("updates", zmq.PUB, self.updates, bind=True)
            yield Open("snapshots", zmq.ROUTER, self.snapshots, bind=True)
            # no limit: while a queue is full, libzmq 4.3.5 loses over ipc what a PUSH that closes has sent last
            yield Open("changes", zmq.PULL, self.changes, bind=True, options={"rcvhwm": 0})
        self.deadline = now + self.interval
        self.copies = {sequence: copy for sequence, copy in self.copies.items() if copy.expiry > now}
        yield Send("updates", [HUGZ, self.sequence.to_bytes(8), b""])

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A change, or a replica that wants a batch."""
        match socket, frames:
            case "changes", [key, value] if key != HUGZ:
                self.state[key] = value
                self.sequence += 1
                yield Send("updates", [key, self.sequence.to_bytes(8), value])
            case "snapshots", [replica, b"ICANHAZ?", wanted, first] if len(wanted) == len(first) == 8:
                yield Send("snapshots", [replica, *self._batch(int.from_bytes(wanted), int.from_bytes(first), now)])

    def _batch(self, sequence: int, first: int, now: float) -> list[bytes]:
        """Pairs of a snapshot, which stays as it is while the state goes on: it is a copy, which replicas share."""
        if sequence not in self.copies:
            first, newest = 0, max(self.copies, default=-1)
            if newest < sequence:
                newest = self.sequence
                self.copies[newest] = _Copy(list(chain.from_iterable(self.state.items())))
            sequence = newest
        copy = self.copies[sequence]
        copy.expiry = now + self.interval * LIVENESS
        end, size, most = 2 * first, 0, min(2 * (first + self.pairs), len(copy.frames))
        while end < most and size < BYTES:
            size += len(copy.frames[end]) + len(copy.frames[end + 1])
            end += 2
        word = KVSYNC if end < len(copy.frames) else KTHXBAI
        return [word, sequence.to_bytes(8), first.to_bytes(8), *copy.frames[2 * first : end]]


class Replica:
    """A replica's core: a SUB "updates", and a DEALER "snapshots" for as long as it needs one.

    Its results are its state, whenever that is complete and new: the same dict, until a snapshot brings another one.
    Where it is incomplete, or hears nothing, for `timeout` seconds, its result is TimeoutError.
    """

    def __init__(self, updates: str, snapshots: str, interval: float = INTERVAL, timeout: float = NEVER) -> None:
        _check(interval=interval, timeout=timeout)
        self.updates, self.snapshots, self.timeout = updates, snapshots, timeout
        self.interval, self.patience = interval, interval * LIVENESS
        self.state: State = {}  # as the server had it after the update `sequence`
        self.sequence = self.heard = -1  # `heard`: the last number in the stream of updates; the next must follow it
        self.complete = False  # no: updates wait in `news` for a snapshot
        self.news: list[tuple[int, bytes, bytes]] = []
        self.wanted = -1  # the snapshot's sequence; until its first batch is here, what it must be at least
        self.pairs: State = {}  # what its batches have brought
        self.silence, self.retry, self.end = AT_ONCE, NEVER, NEVER  # until when we wait: for the stream, a batch, both
        self.asked = self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """Open the stream, again when it is silent for long; ask again when no batch comes; give up in the end."""
        if self.deadline == AT_ONCE:
            self.end = now + self.timeout
        if now >= self.end:
            self.silence = self.retry = self.end = NEVER
            said = f"no complete state from {self.updates} and {self.snapshots} for {self.timeout:g} s"
            yield from (Close("updates"), Close("snapshots"), Result(TimeoutError(said)))
        if now >= self.silence:
            self.silence = now + self.patience
            yield from (Close("updates"), Open("updates", zmq.SUB, self.updates), Subscribe("updates", b""))
        if now >= self.retry:
            yield from self._ask(now)
        self.deadline = min(self.silence, self.retry, self.end)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A word of the stream, or a batch. What is neither is dropped."""
        match socket, frames:
            case "updates", [key, number, value] if len(number) == 8:
                sequence = int.from_bytes(number)
                if sequence != self.heard + (key != HUGZ):
                    yield from self._begin(sequence, now)
                self.heard, self.silence = sequence, now + self.patience
                if not self.complete:
                    self.news += [(sequence, key, value)] if key != HUGZ else []
                    return
                self.end = now + self.timeout
                if key != HUGZ and sequence > self.sequence:  # else the snapshot had it already
                    self.sequence, self.state[key] = sequence, value
                    yield Result(self.state)
            case "snapshots", [b"KVSYNC" | b"KTHXBAI" as word, number, first, *pairs] if len(number) == len(first) == 8:
                yield from self._batch(word, int.from_bytes(number), int.from_bytes(first), pairs, now)

    def _begin(self, sequence: int, now: float) -> Iterator[Effect]:
        """A first word, or a gap: what we have does not lead up to it, so we need a snapshot that is not older.

        Only now: this word has reached us, so our subscription has arrived, and nothing after this word is missed.
        """
        self.complete, self.wanted, self.pairs, self.news = False, sequence, {}, []
        if now >= self.asked + self.interval:
            yield from self._ask(now)
        else:  # a replica that is too slow has gap after gap, and must not drown the server
            self.retry = self.asked + self.interval
            self.deadline = min(self.deadline, self.retry)
            yield Close("snapshots")  # an answer to the question before may be on its way, and would pass for ours

    def _ask(self, now: float) -> Iterator[Effect]:
        """Ask for what the snapshot lacks, on a new socket, where no late answer finds us."""
        self.asked, self.retry = now, now + self.patience
        self.deadline = min(self.deadline, self.retry)
        yield from (Close("snapshots"), Open("snapshots", zmq.DEALER, self.snapshots), self._more())

    def _more(self) -> Send:
        sequence = self.wanted if self.pairs else max(self.wanted, self.sequence)  # never older than what we have shown
        return Send("snapshots", [ICANHAZ, sequence.to_bytes(8), len(self.pairs).to_bytes(8)])

    def _batch(self, word: bytes, sequence: int, first: int, pairs: list[bytes], now: float) -> Iterator[Effect]:
        """The next batch of our snapshot, or the first one of another that is as new."""
        if first == 0 and sequence >= self.wanted and not self.complete:
            self.wanted, self.pairs = sequence, {}
        if (sequence, first) != (self.wanted, len(self.pairs)) or self.complete or len(pairs) % 2:
            return
        self.pairs.update(zip(pairs[::2], pairs[1::2], strict=True))
        self.retry = now + self.patience
        if word == KVSYNC:
            yield self._more()
            return
        self.complete, self.retry, self.end = True, NEVER, now + self.timeout
        self.state, self.sequence, self.pairs = self.pairs, sequence, {}
        for number, key, value in self.news:
            if number > sequence:  # the others are in the snapshot
                self.sequence, self.state[key] = number, value
        self.news = []
        yield from (Close("snapshots"), Result(self.state))


def _pair(text: str) -> tuple[bytes, bytes]:
    key, equals, value = text.encode().partition(b"=")
    if not equals or key == HUGZ:
        raise ValueError(f"pairs: expected key=value, with another key than HUGZ; got {text!r}")
    return key, value


def change(ctx: Context, *pairs: str, changes: str = CHANGES, timeout: float = TIMEOUT) -> None:
    """Change the server's state: each of `pairs` is key=value. Raises TimeoutError when no server takes them."""
    _check(timeout=timeout)
    known = [_pair(text) for text in pairs]
    with ctx.socket(zmq.PUSH) as push:
        push.linger, push.immediate, push.sndtimeo = LINGER, True, round(timeout * 1000)
        push.connect(changes)
        try:
            for key, value in known:
                push.send_multipart([key, value])
        except zmq.Again:
            raise TimeoutError(f"no server at {changes} took the change for {timeout:g} s") from None


def server(
    ctx: Context, *pairs: str, updates: str = UPDATES, snapshots: str = SNAPSHOTS, changes: str = CHANGES,
    interval: float = INTERVAL,
) -> None:  # fmt: skip
    """Keep a state that begins with `pairs`, each key=value, and let replicas follow it, for ever."""
    state = dict(_pair(text) for text in pairs)
    serve(ctx, Server(updates, snapshots, changes, state, time.time_ns(), interval))


def replica(
    ctx: Context, *pairs: str, updates: str = UPDATES, snapshots: str = SNAPSHOTS, interval: float = INTERVAL,
    timeout: float = TIMEOUT,
) -> list[bytes]:  # fmt: skip
    """Follow the server until the state holds all `pairs`, each key=value, and return it: one key=value for each key.

    Raises TimeoutError when it is not complete, or hears nothing, for `timeout` seconds.
    """
    wanted = dict(_pair(text) for text in pairs).items()
    states = run(ctx, Replica(updates, snapshots, interval, timeout))
    return next(sorted(b"%s=%s" % each for each in state.items()) for state in states if wanted <= state.items())


if __name__ == "__main__":
    from .play import play

    play(server, replica, change)
