# SPDX-License-Identifier: BSD-3-Clause
"""Give every message to every endpoint without waiting for ever, and say who has not taken what."""

import threading
import time
from collections.abc import Callable
from itertools import chain

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from exercises.answer import Call, Outcome

ENTRY = "hand_out"


HINTS = (
    "Nobody is at an endpoint, and `send` returns all the same. Where is that message now? And what does the next "
    "`send` do when there is no room for another?",
    "Each endpoint needs a PUSH of its own, which queues only for a connection that stands. Before each message ask "
    "whether there is room, and wait for it no longer than the patience. When it is over, what is left is the answer.",
    "`immediate` and `sndhwm` before `connect`; `poll(…, zmq.POLLOUT)` takes milliseconds, and says 0 when nobody is "
    "there or there is still no room.",
)
VARIANT = "all endpoints at the same time, so that three that are absent cost one patience and not three."
LIMIT = "a message that was taken may still be lost, in the queue of a peer that dies."
WHY = "what would come back if IMMEDIATE were left out, and where would the other messages be?"

LABELS = {
    "what was kept for nobody counted as taken": "which option lets a socket queue only for a connection that stands, "
    "and when must it be set?",
    "it waited for somebody who never came": "which of your calls has no limit?",
    "each message went to one endpoint only": "what does one PUSH do with many peers, and how would each get a copy?",
    "it published, and a PUB does not say what it drops": "which type of socket gives to a PULL?",
    "it gave up before its patience was over": "how long does it take until a connection stands, and in which unit "
    "does your call count?",
    "the patience began anew with each message": "who was not there for one message, will he be there for the next?",
    "one that was not there used up the patience of the others": "whose patience is it?",
    "one that was not there kept the others from theirs": "what happens to the endpoints that come after it?",
    "more messages waited than there was room for": "how many messages does a socket queue if nobody "
    "tells it, and when must it be told?",
    "what had been taken was thrown away": "what does a socket do with its queue when it is closed?",
    "what was given back arrived all the same": "is a message that you give back still in one of your queues?",
    "the message at which it gave up is missing": "where is the message for which there was no room?",
    "it raised instead of giving back what was not taken": "what does the contract say about the end?",
    "a TCP connection was taken for a peer": "when does a connection stand?",
    "it tells only where something was left": "what does the contract say about an endpoint that has taken all?",
    "a socket was left open": "who closes the sockets when your function is done?",
}

LONG, SHORT = 1.5, 0.25  # seconds of patience where everybody comes, and where somebody does not
CALL = 2.0  # seconds for two short patiences, and for one that begins anew with each message
SLACK = 0.7  # seconds that a busy machine may add to the patience
ARRIVE = 1.5  # seconds for what was taken to arrive
LATE = 0.25  # seconds for what was given back to arrive, where it must not
QUIET = 0.1  # seconds in which nothing was sent, after which nothing goes on
HIDDEN = 0.4  # seconds more where nothing was seen to be sent: the answer is not quick, or hides what it sends
LOOK = 0.02  # seconds between two looks
ROOM = 3
FEW = [b"tea", b"milk", b"tea", b"eggs", b"salt", b"bread"]
MANY = [b"%03d " % number + bytes(65532) for number in range(80)]  # so many fit nowhere without being read
TCP = "tcp://127.0.0.1:*"  # over ipc, what the system holds for a full socket is lost when the sender closes
HELD = 74  # of those: more than the operating system and a room of three hold


class Peer:
    """A PULL of the checker's. `words` is what it has received, `joined` whether a connection to it has stood."""

    def __init__(self, scene: Scene, name: str, reads: bool = True) -> None:
        self.name, self.endpoint = name, scene.stage.endpoint(name)
        self.words: list[object] = []
        self.joined = False
        self.reads, self._reads_at_once = threading.Event(), reads
        self._scene, self._there = scene, threading.Event()
        if reads:
            self.reads.set()

    def bind(self) -> None:
        """Come to the endpoint, and be there when this returns."""
        self._scene.stage.play(self._role, name=self.name)
        self._there.wait(ARRIVE)

    @property
    def bound(self) -> bool:
        return self._there.is_set()

    def _role(self, ctx: zmq.Context) -> None:
        with ctx.socket(zmq.PULL) as pull:
            if not self._reads_at_once:
                pull.rcvhwm, pull.rcvbuf = 1, 4096
            with pull.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as joined:
                pull.bind(self.endpoint)
                self.endpoint = pull.last_endpoint.decode()
                self._there.set()
                while True:
                    self.joined = self.joined or bool(joined.poll(0))
                    if self.reads.wait(LOOK) and zmq.select([pull], [], [], LOOK)[0]:
                        frames = pull.recv_multipart()
                        self.words.append(frames[0] if len(frames) == 1 else frames)
                    else:
                        pull.get(zmq.EVENTS)  # raises when the stage has ended

    def gets(self, count: int, limit: float = ARRIVE) -> list[object]:
        """What it has received: soon after it is that many messages, or when the time is over."""
        until = time.monotonic() + limit
        while len(self.words) < count and time.monotonic() < until:
            threading.Event().wait(LOOK)
        return self.words[:]


class Result:
    """What one call came to: `left` is what it gave back of `messages`, by the names of the endpoints."""

    def __init__(
        self,
        scene: Scene,
        peers: list[Peer],
        messages: list[bytes],
        what: str,
        patience: float = SHORT,
        limit: float = CALL,
        come: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        self.scene, self.messages, self.what, self.patience = scene, messages, what, patience
        ends = [peer.endpoint for peer in peers]
        answer = scene.answer(Call((messages, ends, ROOM, patience)))
        come(answer)
        try:
            outcome = answer.outcomes(limit)[0]
        except TookTooLong as where:
            if messages is not FEW:
                raise
            raise NotYet("it waited for somebody who never came", f"{what} Your function stood {where}.") from None
        _published(scene)
        self.seconds, self.left_open = outcome.seconds, outcome.left_open
        self.left = self._left(outcome, peers)

    def _left(self, outcome: Outcome, peers: list[Peer]) -> dict[str, list[object]]:
        if "Again" in outcome.raised:
            raise NotYet("it raised instead of giving back what was not taken", f"{self.what} Your function raised.")
        value = outcome.value
        if outcome.error or value is None or isinstance(value, bool | int | str):
            unexpected(outcome)
        if not isinstance(value, list | tuple) or not all(map(_messages, value)):
            raise NotYet("", f"{self.what} Your function returned something else than a list of lists.")
        if self.patience == LONG and not value:  # nothing is left: how that would be told is seen where something is
            value = [[] for _ in peers]
        if len(value) != len(peers):
            label = "it tells only where something was left" if 0 < len(value) < len(peers) and all(value) else ""
            raise NotYet(label, f"{self.what} For {len(peers)} endpoints your function returned {len(value)} lists.")
        return {peer.name: list(left) for peer, left in zip(peers, value, strict=True)}

    def nobody_at(self, peer: Peer, there: Peer, label: str) -> None:
        """All messages for whom nobody took must have come back. There is one at the other endpoint."""
        left = self.left[peer.name]
        if left == self.messages:
            return
        told = f"{self.what} Of {len(self.messages)} messages for whom nobody took you gave back {len(left)}."
        if left == self.messages[1:]:
            raise NotYet("the message at which it gave up is missing", told)
        rest = left == self.messages[len(self.messages) - len(left) :]
        raise NotYet(label if rest and self._made_up(there) else "", told)

    def _made_up(self, peer: Peer) -> bool:
        """Whether what somebody got and what came back are together what was to be given."""
        left = self.left[peer.name]
        return peer.gets(len(self.messages) - len(left)) + left == self.messages

    def whole(self, peer: Peer) -> None:
        """What somebody got and what came back must be what was to be given."""
        if self._made_up(peer):
            return
        got, left, most = peer.words[:], self.left[peer.name], len(self.messages)
        told = f"{self.what} Of {most} messages {peer.name!r} got {len(got)}, and {len(left)} came back."
        label = ""
        if len(got) + len(left) > most and got == self.messages[: len(got)]:
            label = "what was given back arrived all the same"
        elif got == self.messages[: len(got)] and left == self.messages[most - len(left) :]:
            sent = self.scene.recording.count("sent", ENTRY) >= sum(most - len(left) for left in self.left.values())
            one = left and len(got) + len(left) == most - 1
            thrown = "what had been taken was thrown away" if sent else ""
            label = "the message at which it gave up is missing" if one else thrown
        raise NotYet(label, told)

    def others(self, peer: Peer, patience: float) -> None:
        """Somebody who reads must have got all, whoever else is not there, unless the machine was too slow for it."""
        if left := self.left[peer.name]:
            told = f"{self.what} {peer.name!r} was there and read, and you gave back {len(left)} of its messages"
            if not _connected(self.scene, peer):
                label, told = "one that was not there kept the others from theirs", f"{told} and did not connect there."
                raise NotYet(label, told)
            if peer.joined or self.seconds < 1.8 * patience:
                raise NotYet(
                    "one that was not there used up the patience of the others", f"{told} after {self.seconds:.2f} s."
                )
        self.whole(peer)

    def in_time(self, patience: float) -> None:
        if self.seconds > 2 * patience + SLACK:
            told = f"{self.what} The patience is {patience:g} s for each, and you took {self.seconds:.1f} s."
            raise NotYet("the patience began anew with each message", told)


def _messages(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(message, bytes) for message in value)


def _connected(scene: Scene, peer: Peer) -> bool:
    ends = (ENTRY, "connect", peer.endpoint)
    return any((e.actor, e.kind, e.detail) == ends for e in scene.recording.events)


def _come(answer: Answer, scene: Scene, slow: Peer, late: Peer) -> None:
    """One begins to read when the answer has nowhere to go on; the other comes a while after that."""
    answer.begun()
    since, sent = time.monotonic(), 0
    while not answer.process.told and not late.bound and scene.within(LONG):
        if sent != scene.recording.count("sent", ENTRY):
            since, sent = time.monotonic(), scene.recording.count("sent", ENTRY)
        quiet = time.monotonic() - since - (0 if sent else HIDDEN)
        if quiet > QUIET:
            slow.reads.set()
        if quiet > 2 * QUIET:
            late.bind()
        threading.Event().wait(LOOK)


def _published(scene: Scene) -> None:
    for event in scene.recording.events:
        if event.actor == ENTRY and event.kind == "open" and event.socket.startswith(("PUB", "XPUB")):
            happened = "A PUB sends to no PULL: the connection is refused, and all that you send is dropped."
            raise NotYet("it published, and a PUB does not say what it drops", happened, event)


def two(scene: Scene) -> None:
    """one who is there, and one who is not"""
    there, absent = Peer(scene, "there"), Peer(scene, "absent", reads=False)
    there.bind()
    answer = scene.answer(Call((FEW[:2], [there.endpoint, absent.endpoint], ROOM, SHORT)))
    answer.outcomes()
    there.gets(2, LATE)


def everybody(scene: Scene) -> None:
    """one who reads at once, one who is slow, and one who comes late"""
    quick, slow, late = peers = [Peer(scene, "quick"), Peer(scene, "slow", reads=False), Peer(scene, "late")]
    slow.endpoint = TCP
    for peer in (quick, slow):
        peer.bind()
    what = "Three were there, or came soon."
    result = Result(scene, peers, MANY, what, LONG, 3.0, lambda answer: _come(answer, scene, slow, late))
    came = late.bound
    slow.reads.set()
    if not any(result.left.values()):
        got = [peer.gets(len(MANY), LATE) for peer in peers]
        if sorted(map(repr, chain(*got))) == sorted(map(repr, MANY)) and len(list(filter(None, got))) > 1:
            told = f"Of {len(MANY)} messages the three got {', '.join(str(len(words)) for words in got)}."
            raise NotYet("each message went to one endpoint only", told)
        if not came and not late.words:
            told = "You had returned before anybody came to the third endpoint, and gave back none of its messages."
            raise NotYet("what was kept for nobody counted as taken", told)
    for peer in peers:
        if left := result.left[peer.name]:
            if len(left) + len(peer.words) > len(MANY):
                result.whole(peer)
            told = f"{what} You gave back {len(left)} of {len(MANY)} messages for {peer.name!r}"
            if result.seconds < 0.9 * LONG:
                told += f" after {result.seconds:.2f} s, with a patience of {LONG:g} s."
                raise NotYet("it gave up before its patience was over", told)
            raise NotYet("", f"{told}.")
        result.whole(peer)
    if result.left_open:
        raise NotYet("a socket was left open", "Your function had returned, and a socket was still open.")


def nobody_there(scene: Scene) -> None:
    """an endpoint where nobody is"""
    absent, there = Peer(scene, "absent", reads=False), Peer(scene, "there")
    there.bind()
    result = Result(scene, [absent, there], FEW, "At the first of two endpoints there was nobody.")
    result.in_time(SHORT)
    result.nobody_at(absent, there, "what was kept for nobody counted as taken")
    result.others(there, SHORT)
    absent.reads.set()
    absent.bind()
    if got := absent.gets(1, LATE):
        told = f"Somebody came there when you had returned, and received {got[0]!r}, which you had given back."
        raise NotYet("what was given back arrived all the same", told)


def one_full(scene: Scene) -> None:
    """one who takes nothing until it is full"""
    full, there = Peer(scene, "full", reads=False), Peer(scene, "there")
    full.endpoint = TCP
    full.bind()
    there.bind()
    result = Result(scene, [full, there], MANY, "The first of two received nothing while you sent.")
    taken = len(MANY) - len(result.left["full"])
    if taken > HELD:
        told = f"{taken} messages of 64 kB were taken for somebody who received none, with a room of {ROOM}."
        raise NotYet("more messages waited than there was room for", told)
    full.reads.set()
    result.whole(full)
    result.whole(there)


def frozen_wire(scene: Scene) -> None:
    """a wire that is frozen before anybody has spoken"""
    frozen, there = Peer(scene, "frozen"), Peer(scene, "there")
    frozen.endpoint = TCP
    for peer in (frozen, there):
        peer.bind()
    wire = scene.wire(frozen.endpoint)
    wire.freeze()
    frozen.endpoint = wire.endpoint
    what = "The way to the first of two was frozen: it accepts a connection, and nobody says a word."
    result = Result(scene, [frozen, there], FEW, what)
    result.in_time(SHORT)
    result.nobody_at(frozen, there, "a TCP connection was taken for a peer")
    result.others(there, SHORT)


TRY = two
SCENES = (everybody, nobody_there, one_full, frozen_wire)


_SEND = "                push.send(waiting.pop(0))\n"
