# SPDX-License-Identifier: BSD-3-Clause
"""Forward messages and subscriptions, and hold the messages back while you are told to."""

import time
from collections.abc import Sequence
from typing import Any, NoReturn

import zmq

from exercises.peers import ENDLESS, GLANCE, SOON, UNBOUND, Frames, Table, spun
from exercises.scene import NotYet, Scene, TookTooLong, counted

ENTRY = "forwarder"

HINTS = (
    "Three sockets, two directions, and the commands: which of these may go on in a pause, and which one may not? What "
    "would your loop have to leave out, instead of standing still?",
    "Remember in a variable whether there is a pause. A socket that you do not want to read now has to be taken out of "
    "the poller, or `poll` will name it again and again; what nobody reads waits in its queue, as far as that reaches.",
    "`poller.unregister(front)` and `poller.register(front, zmq.POLLIN)`; `rcvhwm` and `sndhwm` of 0 take away the "
    "limits, if they are set before `bind`. Count after a message has been sent, once for all of its frames.",
)
VARIANT = "let PAUSE have a second frame, a topic, and hold back only the messages that begin with it."
LIMIT = "what it holds back is in its memory, and goes with it when it dies."
WHY = "In a pause, a topic for which messages wait is cancelled. Which socket drops them afterwards?"

EVERYTHING = "the publishers were asked for everything"
UNASKED = "a subscription did not reach a publisher"
VERBOSE = "a topic that nobody wants was not cancelled"
UNHEARD = "a message that was wanted did not arrive"
OUT = "messages went out in the pause"
HELD = "subscriptions waited for the end of the pause"
MUTE = "in the pause no command was answered"
GONE = "what was published in the pause was thrown away"
FULL = "in the pause a queue was full before all had come"
DROPPED = "messages that had to wait were dropped"
TWICE = "messages went out more than once"
ORDER = "the messages came in another order"
APART = "a message was taken apart into its frames"
FRAMES = "frames were counted, not messages"
ASKED = "subscriptions were counted, too"
EARLY = "messages were counted that had not gone out"
COUNT = "COUNT gave another number"
BUSY = "it was busy while it had only to wait"
KNOWN = "a command that it does not know changed something"
ENDED = "a command that it does not know ended it"
AGAIN = "the same command twice did not do what it does once"
WORDS = "a command was answered in other words"
CONNECTED = "it connected where it had to bind"

LABELS = {
    EVERYTHING: "who knows what the subscribers want, and which type of socket lets you pass that on?",
    UNASKED: "what does your XPUB receive, and where does that have to go?",
    VERBOSE: "which messages does your XPUB give you when the last one cancels, and who has to get them?",
    UNHEARD: "which messages does your function read, and where does it send each?",
    OUT: "what does your loop do with a message that comes in a pause?",
    HELD: "which of the two directions is to stand still in a pause?",
    MUTE: "what does your function wait for in a pause, and what else could come?",
    GONE: "where can a message wait until the pause is over?",
    FULL: "how many messages have room in each of your sockets, and what if more come in the pause?",
    DROPPED: "how many messages may wait in the socket that sends, and what does it do with the next?",
    TWICE: "where do you keep what waits, and when does it leave there?",
    ORDER: "which of the messages that wait goes out first, and when may a new one go?",
    APART: "which call receives a message with all its frames?",
    FRAMES: "how many frames has a message, and for which of them do you count?",
    ASKED: "which of the two directions carries messages of publishers?",
    EARLY: "when has a message gone out?",
    COUNT: "at which place of your loop has one message, and no more, gone out?",
    BUSY: "what does `poll` say about a socket that you leave unread, and how often?",
    KNOWN: "which commands are there, and what does your function do about all others?",
    ENDED: "what does your function do about a command that is none of the three?",
    AGAIN: "what is to change when a pause is asked for in a pause?",
    WORDS: "which bytes does the contract give as the answer to each command?",
    CONNECTED: "who stays where it is, and who goes there?",
    UNBOUND: "which three endpoints does the contract want to be bound?",
    ENDLESS: "which exception says that the Context has ended, and which of your lines catches it?",
}

EQUIVALENT = {
    "line 4, swap: (paused, count)": "0 is as false as False, and False is counted as 0",
    "line 4, swap: (False, 0)": "0 is as false as False, and False is counted as 0",
}

MARK = 100  # messages that have room in a socket of the answer's Context
MANY = 500  # messages that wait, as many as the contract has: more than such a socket and a connection hold
SIZE = 4000  # bytes of each
ROOM = 1.5  # seconds in which there has to be room for the next one
STEP = 0.01  # seconds from one look at a waiting answer to the next
WATCHED = 0.3  # seconds of them
LOOPS = "asyncio", "run(", "run_until_complete(", "run_forever("


class Party:
    """Somebody who connects to the answer: a board is an XPUB, a guest a SUB, the clerk a DEALER that asks as a REQ."""

    def __init__(self, hall: "Hall", title: str, kind: int, endpoint: str) -> None:
        self.hall, self.title = hall, title
        self.socket: Any = hall.context(title).socket(kind)
        hall.closing.callback(self.socket.close, 0)
        self.socket.linger = 0
        self.got: list[Frames] = []
        self.socket.sndhwm = self.socket.rcvhwm = 0
        if kind == zmq.XPUB:
            self.socket.sndhwm, self.socket.xpub_nodrop = (
                1,
                True,
            )  # it has no room of its own, and sees when there is none
        self.socket.connect(endpoint)

    def asks(self, word: bytes) -> bool:
        """Send a command as a REQ does. Whether somebody is there to take it."""
        there = bool(zmq.select([], [self.socket], [], self.hall.scene.within(SOON))[1])
        if there:
            self.socket.send_multipart([b"", word], zmq.DONTWAIT)
        return there

    def glance(self, seconds: float = GLANCE) -> Frames:
        ready = zmq.select([self.socket], [], [], seconds)[0]
        return self.socket.recv_multipart() if ready else []


class Hall(Table):
    """A forwarder under trial, the clerk who commands it, and the others. `passed` is how many messages went out."""

    def __init__(self, scene: Scene) -> None:
        scene.stage.context.rcvhwm = scene.stage.context.sndhwm = MARK
        super().__init__(scene, "publishers", "subscribers", "control")
        self.passed = self.frames = self.asked = self.waiting = 0
        self.paused = False
        self.last = b""
        self.label = ""  # of what goes wrong with that command

    def __enter__(self) -> "Hall":
        super().__enter__()
        self.clerk = Party(self, "clerk", zmq.DEALER, self.ends["control"])
        return self

    def board(self, name: str) -> Party:
        return Party(self, name, zmq.XPUB, self.ends["publishers"])

    def guest(self, name: str, *topics: bytes, endpoint: str = "") -> Party:
        guest = Party(self, name, zmq.SUB, endpoint or self.ends["subscribers"])
        for topic in topics:
            guest.socket.subscribe(topic)
        return guest

    def alive(self) -> None:
        if event := self.scene.joined("connect", *self.ends.values()):
            happened = "Your forwarder and its peers connected to the same endpoint, and nobody listened there."
            raise NotYet(CONNECTED, happened, event)
        outcome = self.answer.ended()
        odd = self.last not in (b"", b"PAUSE", b"RESUME", b"COUNT")
        if outcome and (odd or self.label == AGAIN):
            happened = f"The clerk sent {self.last!r}{'' if odd else ' a second time'}, and your forwarder ended"
            self.blame(ENDED if odd else AGAIN, f"{happened}: {outcome.error or 'it returned'}.", self.clerk)
        super().alive()

    def lacks(self, label: str, happened: str, peer: Party) -> NoReturn:
        """Something that is due has not come. An answer that has ended is to blame for that first."""
        self.alive()
        self.blame(label, happened, peer)  # type: ignore[arg-type]

    # commands

    def command(self, word: bytes, due: bytes, label: str = WORDS, seconds: float = SOON) -> bytes:
        """Send a command and compare its answer."""
        self.last, self.label = word, label
        if not self.clerk.asks(word):
            self.lacks("", f"The clerk could not send {word!r}: nobody took it at the control endpoint.", self.clerk)
        _, frames = self.first([self.clerk], seconds)  # type: ignore[list-item]
        if not frames:
            where = "in the pause " if self.paused else ""
            happened = f"The clerk sent {word!r}, and {where}nothing was answered in {seconds:g} s."
            if self.paused:
                self.lacks(MUTE, happened, self.clerk)
            self.alive()
            raise TookTooLong(f"{self.answer.stood()}, and {word!r} was not answered")
        said = b"".join(frames[1:])
        if frames[:1] != [b""] or len(frames) != 2 or (due and said != due):
            self.lacks(label, f"The clerk sent {word!r} and got {said!r} where {due!r} was due.", self.clerk)
        return said

    def pause(self, label: str = WORDS) -> None:
        self.command(b"PAUSE", b"paused", label)
        self.paused = True

    def resume(self, label: str = WORDS) -> None:
        self.command(b"RESUME", b"running", label)
        self.paused = False

    def count(self) -> None:
        """Ask for the number, and say by what it may have been wrong."""
        said = self.command(b"COUNT", b"")
        if said == b"%d" % self.passed:
            return
        happened = f"{counted(self.passed, 'message')} had gone out, with {counted(self.frames, 'frame')}; "
        happened += f"{self.asked} subscriptions and cancellations had passed, "
        happened += f"{counted(self.waiting, 'message')} waited. COUNT gave {said!r}."
        if not said.isdigit():
            self.lacks(WORDS, happened, self.clerk)
        readings = [
            (self.passed + self.waiting, EARLY),
            (self.frames, FRAMES),
            (self.passed + self.asked, ASKED),
            (self.passed + self.asked + self.waiting, ASKED),
            (self.frames + self.asked, FRAMES),
        ]
        self.lacks(next((label for number, label in readings if number == int(said)), COUNT), happened, self.clerk)

    # what passes

    def asks(self, board: Party, event: bytes, label: str = UNASKED) -> None:
        """This subscription or cancellation is what the board hears next."""
        _, frames = self.first([board])  # type: ignore[list-item]
        if frames == [event]:
            self.asked += 1
            return
        due = f"{board.title} was to hear {event!r}"
        if not frames:
            self.lacks(label, f"{due}, and heard nothing in {SOON:g} s.", board)
        if frames == [b"\1"]:
            self.lacks(EVERYTHING, f"{due}, and was asked for everything.", board)
        self.lacks(label, f"{due}, and heard {_shown(frames)}.", board)

    def says(self, board: Party, *frames: bytes) -> None:
        """The board publishes. It waits a while where there is no room."""
        until = time.monotonic() + self.scene.within(ROOM)
        while True:
            try:
                board.socket.send_multipart(frames, zmq.DONTWAIT)
                return
            except zmq.Again:
                if time.monotonic() > until:
                    happened = f"{board.title} had no room for one more message, when {self.waiting} waited"
                    self.lacks(FULL, f"{happened}: your forwarder takes in no more, and the next would be lost.", board)
                zmq.select([], [board.socket], [], 0.005)

    def hears(self, guest: Party, *messages: Sequence[bytes], label: str = UNHEARD, wait: float = SOON) -> None:
        """These are the next messages that the guest gets."""
        due = [list(message) for message in messages]
        got: list[Frames] = []
        while len(got) < len(due):
            _, frames = self.first([guest], wait)  # type: ignore[list-item]
            if not frames:
                break
            got.append(frames)
            if frames != due[len(got) - 1]:
                break
        before, guest.got = guest.got, guest.got + got
        if got == due:
            return
        wanted = due[len(got) - 1] if got and got[-1] != due[len(got) - 1] else due[len(got)]
        happened = f"{guest.title} was to get {_shown(wanted)}"
        if got and got[-1] != wanted and len(got) <= len(due):
            happened += f" and got {_shown(got[-1])}."
            if len(wanted) > 1 and got[-1] in ([wanted[0]], wanted[:1]):
                self.lacks(APART, happened, guest)
            if got[-1] in before:
                self.lacks(TWICE, f"{happened[:-1]} once more.", guest)
            later = got[-1] in due[len(got) :] or got[-1][:1] in [message[:1] for message in due[len(got) :]]
            rest = self.rest(guest)
            missing = [message for message in due[len(got) - 1 :] if message not in [got[-1], *rest]]
            if later and not missing:
                self.lacks(ORDER, happened, guest)
            self.lacks(label, f"{happened[:-1]}; {len(missing)} of {len(due)} messages never came.", guest)
        self.lacks(label, f"{happened}, and in {wait:g} s nothing came.", guest)

    def rest(self, guest: Party) -> list[Frames]:
        """What else comes for this guest."""
        return list(iter(lambda: guest.glance(), []))

    def quiet(self, guest: Party) -> None:
        """In a pause nothing goes out."""
        if frames := guest.glance():
            happened = f"After PAUSE had been answered, {guest.title} got {_shown(frames)}, published in the pause."
            self.lacks(OUT, happened, guest)

    def sleeps(self) -> None:
        """In a pause with messages that wait there is nothing to compute."""
        spent = spun(self.answer.process.pid, WATCHED, lambda: zmq.select([self.clerk.socket], [], [], STEP))
        if spent:
            happened = f"There was a pause, and a message waited. In {WATCHED:.1f} s your forwarder was computing for "
            self.lacks(BUSY, f"{happened}{spent:.2f} s.", self.clerk)

    def over(self) -> None:
        """Its Context ends, and so must it. An `await` does not see that: nothing is asked of an event loop."""
        self.last, self.label = b"", ""
        try:
            self.end()
        except NotYet as late:
            if not any(loop in late.happened for loop in LOOPS):
                raise


def _shown(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame[:20].decode(errors='backslashreplace')}]" for frame in frames)


def alone(scene: Scene) -> None:
    """a subscription in a pause"""
    with Hall(scene) as hall:
        board, ann = hall.board("board"), hall.guest("Ann", b"tea")
        says = Party(hall, "Ann", zmq.DEALER, hall.ends["control"])
        hall.first([board])  # type: ignore[list-item]
        for word in b"PAUSE", b"RESUME":
            says.asks(word)
            hall.first([says])  # type: ignore[list-item]
            if word == b"PAUSE":
                ann.socket.subscribe(b"milk")
            hall.first([board], GLANCE if word == b"PAUSE" else SOON)  # type: ignore[list-item]
        scene.abandon()  # what the end of the others does is no part of it


def as_ever(scene: Scene) -> None:
    """messages, subscriptions and cancellations as ever"""
    with Hall(scene) as hall:
        one, two, three, text = scene.words(4)
        board, ann, ben = hall.board("first board"), hall.guest("Ann", one), hall.guest("Ben")
        hall.asks(board, b"\1" + one)
        hall.count()
        said = [[one, b"", text], [one + b".more"], [one, text, b"", text]]
        hall.says(board, two, text)
        for message in said:
            hall.says(board, *message)
        hall.hears(ann, *said)
        hall.passed, hall.frames = len(said), sum(map(len, said))
        hall.count()
        late = hall.board("second board")
        hall.asks(late, b"\1" + one)
        hall.asked -= 1  # the forwarder's program has not seen it again
        ben.socket.subscribe(one)
        ben.socket.subscribe(three)
        for each in board, late:
            hall.asks(each, b"\1" + three)
        hall.asked -= 1
        hall.says(late, one, text)
        hall.hears(ann, [one, text])
        hall.hears(ben, [one, text])
        hall.passed, hall.frames = hall.passed + 1, hall.frames + 2
        for guest in ann, ben:
            guest.socket.unsubscribe(one)
        hall.asks(board, b"\0" + one, VERBOSE)
        hall.over()


def a_pause(scene: Scene) -> None:
    """a pause in which somebody comes and somebody goes"""
    with Hall(scene) as hall:
        one, two, three, *texts = scene.words(9)
        board, ann, ben = hall.board("board"), hall.guest("Ann", one), hall.guest("Ben", three)
        for _ in one, three:
            _, frames = hall.first([board])  # type: ignore[list-item]
            if frames not in ([b"\1" + one], [b"\1" + three]):
                hall.lacks(EVERYTHING if frames == [b"\1"] else UNASKED, f"The board heard {_shown(frames)}.", board)
        hall.asked = 2
        hall.says(board, one, texts[0])
        hall.hears(ann, [one, texts[0]])
        hall.passed, hall.frames = 1, 2
        hall.pause()
        said = [[one, text] for text in texts[1:4]]
        for message in said:
            hall.says(board, *message)
        hall.waiting = len(said)
        hall.quiet(ann)
        hall.count()
        hall.pause(AGAIN)
        hall.quiet(ann)
        ben.socket.subscribe(two)
        hall.asks(board, b"\1" + two, HELD)
        ben.socket.unsubscribe(three)
        hall.asks(board, b"\0" + three, HELD)
        hall.says(board, two, texts[4])
        hall.waiting += 1
        hall.sleeps()
        hall.quiet(ben)
        hall.resume()
        hall.says(board, one, texts[5])
        hall.hears(ann, *said, [one, texts[5]], label=GONE)
        hall.hears(ben, [two, texts[4]], label=GONE)
        hall.passed, hall.waiting = 6, 0
        hall.frames = 12
        hall.count()
        hall.resume(AGAIN)
        hall.says(board, two, texts[0])
        hall.hears(ben, [two, texts[0]], label=AGAIN)
        hall.over()


def other_commands(scene: Scene) -> None:
    """commands that it does not know"""
    with Hall(scene) as hall:
        one, text, word = scene.words(3)
        board, ann = hall.board("board"), hall.guest("Ann", one)
        hall.asks(board, b"\1" + one)
        for odd in word, b"", b"pause", b"PAUSE ", b"\xff":
            hall.command(odd, b"what?")
            hall.says(board, one, text)
            hall.hears(ann, [one, text], label=KNOWN)
        hall.pause()
        for odd in word, b"RESUMED", b"STATISTICS", b"XXXXX":
            hall.command(odd, b"what?")
        hall.says(board, one, word)
        if frames := ann.glance():
            hall.lacks(KNOWN, f"In a pause {odd!r} was sent, and then {ann.title} got {_shown(frames)}.", ann)
        hall.resume()
        hall.hears(ann, [one, word], label=GONE)
        hall.over()


def many(scene: Scene) -> None:
    """hundreds of messages in a pause, with one subscriber slow"""
    with Hall(scene) as hall:
        [one] = scene.words(1)
        wire = scene.wire(hall.ends["subscribers"])
        board, ann, ben = hall.board("board"), hall.guest("Ann", one, endpoint=wire.endpoint), hall.guest("Ben")
        hall.asks(board, b"\1" + one)
        wire.freeze()
        for topic in one, b"~":
            ben.socket.subscribe(topic)
        hall.asks(board, b"\1~")
        hall.pause()
        said = [[one, b"%d" % number, b"." * SIZE] for number in range(MANY)]
        for message in said:
            hall.says(board, *message)
            hall.waiting += 1
        hall.resume()
        hall.hears(ben, *said, label=DROPPED)
        wire.heal()
        hall.hears(ann, *said, label=DROPPED)


TRY = alone
SCENES = (as_ever, a_pause, other_commands, many)
