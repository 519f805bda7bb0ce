# SPDX-License-Identifier: BSD-3-Clause
"""Give every message to every endpoint without waiting for ever, and say who has not taken what."""

import contextlib
import threading
import time
from collections import Counter
from typing import Any, NoReturn

import zmq

from exercises.answer import Call
from exercises.scene import LOOK, NotYet, Scene, TookTooLong, unexpected
from patterns.process import Process

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

KEPT = "what was kept for nobody counted as taken"
FOR_EVER = "it did not give up after its patience"
DEALT = "the messages were dealt out among the endpoints"
USED_UP = "the first endpoint used up the messages of the others"
REFUSED = "a PULL refused the connection"
NOTHING = "nothing was sent to one who was there and read"
HASTY = "it gave up before its patience was over"
ANEW = "the patience began anew with each message"
KEPT_OFF = "one that was not there kept the others from theirs"
ROOM = "more messages waited than there was room for"
LOST = "some messages neither arrived nor came back"
BACK = "what was given back arrived all the same"
MISSING = "the message at which it gave up is missing"
EQUAL = "of two equal messages one was forgotten"
MIXED = "what arrived and what came back are not the messages in their order"
OTHER = "something else arrived than the messages"
RAISED = "it raised instead of giving back what was not taken"
TCP_ONLY = "a TCP connection was taken for a peer"
ONLY_SOME = "it tells only where something was left"
RESULT = "something else was returned than a list for each endpoint"
OPEN = "a socket was left open"

LABELS = {
    KEPT: "which option lets a socket queue only for a connection that stands, and when must it be set?",
    FOR_EVER: "which of your calls has no limit, or one in another unit?",
    DEALT: "what does one PUSH do with many peers, and how would each get a copy?",
    USED_UP: "whose list is it from which you take what you send?",
    REFUSED: "which type of socket does a PULL receive from?",
    NOTHING: "what does your poll wait for, and what does it wait for if you do not say?",
    HASTY: "how long does it take until a connection stands, and in which unit does your call count?",
    ANEW: "will a peer that was not there for one message be there for the next?",
    KEPT_OFF: "whose patience is it, and what happens to the endpoints that come after?",
    ROOM: "how many messages does a socket queue unless told otherwise, and when must it be told?",
    LOST: "what does a socket do with its queue when it is closed?",
    BACK: "is a message that you give back still in one of your queues?",
    MISSING: "where is the message for which there was no room?",
    EQUAL: "how do you know which messages were not taken: by their position, or by their content?",
    MIXED: "in which order do you send, and in which order do you give back?",
    OTHER: "what is a message here, and in how many frames does it go?",
    RAISED: "what does the contract say about the end?",
    TCP_ONLY: "when does a connection stand?",
    ONLY_SOME: "what does the contract say about an endpoint that has taken all?",
    RESULT: "what does the contract say about the result, and about its form?",
    OPEN: "who closes the sockets when your function is done?",
}

LONG = 2.0  # seconds of patience where everybody comes
WHOLE = 3.2  # seconds for a call in which everybody comes
CALL = 3.4  # seconds for two short patiences, and for one that begins anew with each message
SLACK = 1.0  # seconds that a busy machine may add to two short patiences
ARRIVE = 2.0  # seconds for what was taken to arrive
LATE = 0.25  # seconds for what was given back to arrive, where it must not
STALL = 0.5  # seconds after which nobody is waited for who gets nothing
QUIET = 0.15  # seconds for which the answer has nowhere to go on
LINGER = 20_000  # milliseconds: a socket that was closed early has its time, however slow this machine is
EARLIEST = 0.9  # times its patience, before which nobody may be given up
SIZE = 1 << 18  # bytes of a message of which so many fit nowhere without being read:
MANY = 24
BUFFER = 1 << 16  # bytes that the system is asked to hold: less than one of them
TCP = "tcp://127.0.0.1:*"  # over ipc, what the system holds for a full socket is lost when the sender closes

Message = bytes | list[bytes]


class Peer:
    """A PULL of the checker's.

    words   what it has received
    joined  whether a connection to it has stood
    """

    def __init__(self, scene: Scene, name: str, endpoint: str = "", reads: bool = True) -> None:
        self.name, self.endpoint = name, endpoint or scene.stage.endpoint(name)
        self.words: list[Message] = []
        self.joined = False
        self.reads, self.there, self._narrow = threading.Event(), threading.Event(), not reads
        self._scene = scene
        if reads:
            self.reads.set()

    def bind(self) -> None:
        """Come to the endpoint, and be there when this returns."""
        self._scene.stage.play(self._role, name=self.name)
        self.there.wait(ARRIVE)

    def _role(self, ctx: zmq.Context[Any]) -> None:
        with ctx.socket(zmq.PULL) as pull:
            if self._narrow:
                pull.rcvhwm, pull.rcvbuf = 1, 4096
            with pull.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
                pull.bind(self.endpoint)
                self.endpoint = pull.last_endpoint.decode()
                self.there.set()
                while True:
                    self.joined = self.joined or bool(monitor.poll(0))
                    if self.reads.wait(LOOK) and zmq.select([pull], [], [], LOOK)[0]:
                        frames = pull.recv_multipart()
                        self.words.append(frames[0] if len(frames) == 1 else frames)
                    else:
                        pull.get(zmq.EVENTS)  # raises when the stage has ended


class Round:
    """The answer at work. `left` is what it gave back, by the names of the endpoints, once it has returned."""

    def __init__(
        self, scene: Scene, peers: list[Peer], messages: list[bytes], what: str, patience: float, room: int = 3
    ) -> None:
        self.scene, self.peers, self.messages, self.what = scene, peers, messages, what
        self.patience, self.room = patience, room
        self.seconds, self.left_open = 0.0, 0
        self.left: dict[str, list[bytes]] = {}
        scene.stage.context.sockopts[zmq.LINGER] = LINGER
        self.answer = scene.answer(Call((messages, [peer.endpoint for peer in peers], room, patience)))
        self.answer.begun()

    def gets(self, peer: Peer, count: int, seconds: float = ARRIVE) -> list[Message]:
        """What a peer has received, when that is so many messages, or the time is over. Soon after the answer's
        process has ended nothing more is on its way: it lingers for what its sockets hold."""
        until, ended = time.monotonic() + seconds, False
        while len(peer.words) < count and time.monotonic() < until:
            if self.answer.process.done and not ended:
                ended, until = True, min(until, time.monotonic() + STALL)
            threading.Event().wait(LOOK)
        return peer.words[:]

    def finish(self, seconds: float) -> None:
        """Wait for the call to end, and look what came of it."""
        told = self.answer.until(lambda: self.answer.process.told, seconds)
        opened = [e for e in self.scene.recording.events if (e.actor, e.kind) == (ENTRY, "open")]
        if opened and not any(peer.joined for peer in self.peers) and not opened[0].socket.startswith("PUSH"):
            happened = f"{self.what} Your {opened[0].socket} came to none of them: a PULL hangs up on it."
            raise NotYet(REFUSED, happened, opened[0])
        if not told:
            self._stands(seconds)
        outcome = self.answer.outcomes(LOOK)[0]
        self.seconds, self.left_open = outcome.seconds, outcome.left_open
        if "Again" in outcome.raised:
            raise NotYet(RAISED, f"{self.what} Your function raised {outcome.error}.")
        if outcome.error:
            unexpected(outcome)
        value, most = outcome.value, len(self.peers)
        if isinstance(value, list | tuple) and self.patience == LONG and not value:
            value = [[] for _ in self.peers]  # how nothing would be told is seen where something is left
        if isinstance(value, list | tuple) and all(map(_messages, value)) and len(value) != most and any(value):
            label = ONLY_SOME if len(value) < most and all(value) else RESULT
            raise NotYet(label, f"{self.what} For {most} endpoints your function returned {len(value)} lists.")
        if not isinstance(value, list | tuple) or len(value) != most or not all(map(_messages, value)):
            raise NotYet(RESULT, f"{self.what} Your function returned {value!r:.100}.")
        self.left = {peer.name: list(left) for peer, left in zip(self.peers, value, strict=True)}

    def _stands(self, seconds: float) -> NoReturn:
        stood = f"The patience is {self.patience:g} s for each, and after {seconds:g} s your function stood "
        stood += f"{self.answer.stood()}."
        for peer in self.peers:
            if peer.reads.is_set() and peer.joined and not peer.words:
                raise NotYet(NOTHING, f"{self.what} {peer.name!r} was there, read, and got nothing. {stood}")
        if self.patience == LONG:  # nobody was to be given up
            raise TookTooLong(self.answer.stood())
        raise NotYet(FOR_EVER, f"{self.what} {stood}")

    def whole(self, peer: Peer) -> None:
        """What a peer got and what came back for it must be the messages, each once and in their order."""
        left, messages = self.left[peer.name], self.messages
        got = self.gets(peer, len(messages) - len(left))
        if got + left == messages:
            return
        told = f"{self.what} Of {len(messages)} messages {peer.name!r} got {len(got)}, and {len(left)} came back."
        missing = len(messages) - len(got) - len(left)
        begin, end = got == messages[: len(got)], left == messages[len(messages) - len(left) :]
        if any(word not in messages for word in got):
            strange = next(word for word in got if word not in messages)
            raise NotYet(OTHER, f"{self.what} {peer.name!r} got {strange!r:.80}.")
        if begin and left and left == [message for message in messages[len(got) :] if message not in got]:
            raise NotYet(EQUAL, f"{told} What is missing is equal to one that arrived.")
        if begin and end and missing < 0:
            raise NotYet(BACK, told)
        if begin and end:
            raise NotYet(LOST, told)
        raise NotYet(MIXED, told)

    def given_up(self, peer: Peer, label: str) -> None:
        """All messages for whom nobody took must have come back, in time."""
        left, messages = self.left[peer.name], self.messages
        if self.seconds > 2 * self.patience + SLACK:
            told = f"{self.what} The patience is {self.patience:g} s for each, and you took {self.seconds:.1f} s."
            raise NotYet(ANEW, told)
        told = f"{self.what} Of {len(messages)} messages for whom nobody took you gave back {len(left)}."
        if left == messages:
            return
        if left == messages[1:]:
            raise NotYet(MISSING, told)
        raise NotYet(label if left == messages[len(messages) - len(left) :] else MIXED, told)

    def others(self, peer: Peer) -> None:
        """Somebody who reads must have got all, whoever else is not there, unless this machine was too slow for it."""
        if self.left[peer.name] and self.seconds < 1.8 * self.patience:
            told = f"{self.what} {peer.name!r} was there and read, and after {self.seconds:.2f} s of "
            told += f"{self.patience:g} s for each you gave back {len(self.left[peer.name])} of its messages."
            raise NotYet(KEPT_OFF, told)
        self.whole(peer)


def _messages(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(message, bytes) for message in value)


def _few(scene: Scene) -> tuple[list[bytes], float]:
    """Seven messages, of which two are equal to others, and a short patience."""
    words = scene.words(5)
    return [*words[:2], *words], round(scene.random.uniform(0.35, 0.4), 3)


def _many(scene: Scene) -> list[bytes]:
    """The last is equal to the first."""
    word = scene.words(1)[0]
    messages = [b"%s %d" % (word, number) for number in range(MANY - 1)]
    return [message.ljust(SIZE, b".") for message in [*messages, messages[0]]]


def two(scene: Scene) -> None:
    """one who is there, and one who is not"""
    peers = there, _ = [Peer(scene, "there"), Peer(scene, "absent")]
    there.bind()
    work = Round(scene, peers, [b"tea", b"milk"], "", 0.25)
    work.answer.outcomes()
    work.gets(there, 2, LATE)


def everybody(scene: Scene) -> None:
    """one who reads at once, one who is slow, and one who comes late"""
    quick, slow, late = peers = [Peer(scene, "quick"), Peer(scene, "slow", TCP, False), Peer(scene, "late")]
    for peer in (quick, slow):
        peer.bind()
    work = Round(scene, peers, _many(scene), "Three were there, or came soon.", LONG)
    for before, then in ((quick, slow.reads.set), (slow, late.bind)):  # each when the answer has nowhere to go on
        work.answer.until(lambda peer=before: len(peer.words) >= MANY, STALL)
        if not work.answer.process.told:
            threading.Event().wait(QUIET)
            then()
    work.finish(WHOLE)
    slow.reads.set()
    got = {peer.name: work.gets(peer, MANY - len(work.left[peer.name])) for peer in peers}
    counts = f"Of {MANY} messages {', '.join(f'{name!r} got {len(words)}' for name, words in got.items())}."
    every = [Counter(map(repr, words)) for words in got.values()]
    due = Counter(map(repr, work.messages))
    shared = sum(every, Counter()) == due and sum(map(bool, every)) > 1
    if shared or (any(len(words) > MANY for words in got.values()) and not set(sum(every, Counter())) - set(due)):
        raise NotYet(DEALT, counts)
    if not any(work.left.values()) and got["quick"] == work.messages and not got["slow"] + got["late"]:
        raise NotYet(USED_UP, f"{counts} Nothing came back.")
    if got["quick"] and not got["late"] and not work.left["late"]:
        raise NotYet(KEPT, "You gave back nothing for the third endpoint, and who came there late got nothing.")
    for peer in peers:
        if left := work.left[peer.name]:
            told = f"{work.what} You gave back {len(left)} of {MANY} messages for {peer.name!r} "
            told += f"after {work.seconds:.2f} s, with a patience of {LONG:g} s for each."
            if len(left) + len(peer.words) > MANY:
                work.whole(peer)
            if work.seconds < EARLIEST * LONG:
                raise NotYet(HASTY, told)
            raise NotYet(NOTHING if peer.joined and not peer.words else "", told)
        work.whole(peer)
    if work.left_open:
        raise NotYet(OPEN, "Your function had returned, and a socket was still open.")


def nobody_there(scene: Scene) -> None:
    """an endpoint where nobody is"""
    absent, there = peers = [Peer(scene, "absent"), Peer(scene, "there")]
    there.bind()
    work = Round(scene, peers, _few(scene)[0], "At the first of two endpoints there was nobody.", _few(scene)[1])
    work.finish(CALL)
    work.given_up(absent, KEPT)
    work.others(there)
    absent.bind()
    if got := work.gets(absent, 1, LATE):
        told = f"Somebody came there when you had returned, and received {got[0]!r}, which you had given back."
        raise NotYet(BACK, told)


def one_full(scene: Scene) -> None:
    """one who takes nothing until it is full"""
    full, there = peers = [Peer(scene, "full", TCP, False), Peer(scene, "there")]
    for peer in peers:
        peer.bind()
    scene.stage.context.sockopts[zmq.SNDBUF] = BUFFER
    work = Round(scene, peers, _many(scene), "The first of two received nothing while you sent.", 0.3, room=1)
    work.finish(CALL)
    taken = MANY - len(work.left["full"])
    still = work.left["full"] == work.messages[taken:] and _freeze(work.answer.process)
    full.reads.set()
    sent = len(work.gets(full, taken - work.room - 1)) if still else taken  # what the system held, but for a part
    if taken - sent > work.room + 1:
        told = f"You had returned, and your process was frozen. Of {taken} messages that were taken for 'full' {sent} "
        told += f"arrived now. One may have been on its way; behind it were {taken - sent - 1}, with a room of 1."
        raise NotYet(ROOM, told)
    with contextlib.suppress(RuntimeError, ProcessLookupError):
        work.answer.process.thaw()
    work.whole(full)
    work.whole(there)


def _freeze(process: Process) -> bool:
    """Whether it stands still: it may have ended."""
    with contextlib.suppress(RuntimeError, OSError):
        process.freeze()
        return True
    return False


def frozen_wire(scene: Scene) -> None:
    """a wire that is frozen before anybody has spoken"""
    frozen, there = peers = [Peer(scene, "frozen", TCP), Peer(scene, "there")]
    for peer in peers:
        peer.bind()
    wire = scene.wire(frozen.endpoint)
    wire.freeze()
    frozen.endpoint = wire.endpoint
    what = "The way to the first of two was frozen: it accepts a connection, and nobody says a word."
    work = Round(scene, peers, _few(scene)[0], what, _few(scene)[1])
    work.finish(CALL)
    work.given_up(frozen, TCP_ONLY)
    work.others(there)


TRY = two
SCENES = (everybody, nobody_there, one_full, frozen_wire)
