# SPDX-License-Identifier: BSD-3-Clause
"""Deliver letters by name, and report the ones that could not be delivered."""

import time
from typing import NoReturn, Self

import zmq

from exercises.answer import Outcome
from exercises.peers import ENDLESS, Frames, Peer, Table, spun
from exercises.scene import NotYet, Scene, TookTooLong, unexpected

ENTRY = "deliver"

HINTS = (
    "Your function sends a letter to somebody who is not there. What does the ROUTER do with it, and what does it tell "
    "you?",
    "Let the ROUTER raise an error where it would drop, and try again until it works or the patience is over. A second "
    "option decides who has a name that is there twice.",
    "`router_mandatory` and `router_handover`, both set before `bind`; the error is `zmq.ZMQError` with `errno` "
    "`zmq.EHOSTUNREACH`; between two tries, sleep for a few milliseconds.",
)
VARIANT = "let letters to different guests not wait for each other: one guest who is late holds up only his own."
LIMIT = "a letter that is counted as delivered may have been on its way when its guest left."
WHY = "what would you have to change if the guests had to confirm their letters?"

NOBODY = "a letter to nobody was counted as delivered"
GAVE_UP = "it gave up at once on a guest who was late"
LONGER = "it waited longer than it was told to"
TOGETHER = "all letters had one patience together"
FOR_GOOD = "a guest was given up for good with the first letter"
OVERTOOK = "a letter overtook the one whose turn it was"
RAISED = "an error came back where a letter was to be reported"
ENDED = "one letter that could not be delivered ended everything"
ALIKE = "two letters that are alike were taken for one"
OLD = "the old connection kept the name"
FRONT = "something stood in front of the text"
TWICE = "a letter was delivered twice"
REPORTED = "it reported the letters that were delivered"
THROWN = "letters on their way were thrown away with the socket"
SPUN = "it did not sleep while it waited"
OPEN = "a socket was left open"

LABELS = {
    NOBODY: "what does a ROUTER do with a name that it does not know?",
    GAVE_UP: "how long is the error true, and how long may a letter take?",
    LONGER: "which of your loops has no end when a guest never comes, and when does that end begin to count?",
    TOGETHER: "from which moment does the patience of the second letter count?",
    FOR_GOOD: "what do you know of a guest who was not there when the first letter had its turn?",
    OVERTOOK: "which letter has its turn while one is still waiting?",
    RAISED: "which error says that nobody is there? Who catches it?",
    ENDED: "what about the letters that come after it?",
    ALIKE: "how many letters are two letters with the same name and text?",
    OLD: "which of two connections of one name does a ROUTER use by itself?",
    FRONT: "which frames does the ROUTER take off, and what does a DEALER see?",
    TWICE: "what do you know when a send has not raised?",
    REPORTED: "which list does the contract ask for?",
    THROWN: "where is a letter when `send` has returned, and what does closing do with it?",
    SPUN: "how often does your loop go round in a millisecond?",
    ENDLESS: "which errors does your `except` catch, besides the one you mean?",
    OPEN: "who closes the socket on the way out?",
}

NAMES = ["Ann", "Bob", "Carl", "Dora", "Eve", "Finn", "Gus", "Hal", "Ida", "Jon", "Kim", "Lea"]
STEP = 0.01  # seconds between two looks
MANY, HEAVY = 40, 50_000  # letters to one who reads late, and bytes of each: more than fits on the way
KERNEL = 6  # of them that libzmq 4.3.5 may lose over ipc when a socket closes while its reader's queue is full
SOON_ENOUGH = 2.0  # seconds of patience where nobody is to lose it
LONG = 30.0  # the same where the end comes first

Letter = tuple[bytes, bytes]


class Desk(Table):
    """The answer at work, and the guests around it."""

    def __init__(self, scene: Scene, letters: list[Letter], patience: float) -> None:
        self.letters, self.patience = letters, patience
        super().__init__(scene, "desk", args=(letters, patience))

    def __enter__(self) -> Self:
        """A guest may come before anybody listens."""
        return self

    def guest(self, name: bytes) -> Peer:
        return self.seat(name.decode(), "desk")

    def gets(self, guest: Peer, text: bytes, seconds: float = SOON_ENOUGH) -> None:
        """This guest gets this letter now."""
        frames = guest.hears(seconds)
        if not frames:
            self.undelivered(guest, text)
        if frames != [text]:
            self.differs(guest, text, frames)

    def differs(self, guest: Peer, text: bytes, frames: Frames) -> NoReturn:
        happened = f"{guest.title} got {frames!r:.200} where {text!r:.50} was due."
        heard = [bytes(e.frames[-1]) for e in self.scene.recording.events if e.kind == "receive" and e.frames]
        later = OVERTOOK if (guest.name, frames[-1]) in self.letters else ""  # this one was not due yet
        label = FRONT if len(frames) > 1 else TWICE if heard.count(frames[-1]) > 1 else later
        if label == OVERTOOK and (guest.name, text) in self.outcome().value:
            self.undelivered(guest, text)
        self.blame(label, happened, guest)

    def undelivered(self, guest: Peer, text: bytes) -> NoReturn:
        """A guest who was there did not get a letter: what became of it."""
        outcome = self.outcome()
        reported = (guest.name, text) in outcome.value
        happened = f"{guest.title} was there; the letter {text!r:.50} did not come, and you reported "
        happened += f"{outcome.value!r:.200} after {outcome.seconds:.2f} s."
        if reported and outcome.seconds < 0.8 * self.patience:
            self.blame(GAVE_UP, happened, guest)
        self.blame(NOBODY if not reported else "", happened, guest)

    def outcome(self) -> Outcome:
        """What came of the call."""
        most = self.patience * len({name for name, _ in self.letters}) * 2 + 1.0
        try:
            [outcome] = self.answer.outcomes(min(most, 4.0))
        except TookTooLong as where:
            happened = f"Each letter had {self.patience:.2f} s, and your function still stood {where}."
            raise NotYet(LONGER, happened) from None
        if outcome.error and outcome.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
            happened = f"There was no guest of a name, and your function raised {outcome.error}: {outcome.message}."
            raise NotYet(RAISED, happened)
        if outcome.error or not isinstance(outcome.value, list | tuple):
            unexpected(outcome)
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")
        return outcome

    def reports(self, lost: list[Letter], outcome: Outcome) -> None:
        """All other letters have come; these had to be reported."""
        reported = [tuple(pair) for pair in outcome.value if isinstance(pair, tuple | list)]
        if reported == lost and len(reported) == len(outcome.value):
            return
        happened = f"You were to report {lost!r:.200} and reported {outcome.value!r:.200}."
        if reported and sorted(map(repr, reported + lost)) == sorted(map(repr, self.letters)):
            self.blame(REPORTED, happened)
        if not reported:
            self.blame(NOBODY, happened)
        self.blame(ALIKE if reported == list(dict.fromkeys(lost)) else "", happened)


def _names(scene: Scene, count: int) -> list[bytes]:
    return [name.encode() for name in scene.random.sample(NAMES, count)]


def alone(scene: Scene) -> None:
    """two guests"""
    with Desk(scene, [(b"Ann", b"one"), (b"Bob", b""), (b"Ann", b"two")], SOON_ENOUGH) as desk:
        ann, bob = desk.guest(b"Ann"), desk.guest(b"Bob")
        for guest in ann, bob, ann:
            guest.hears()
        desk.answer.outcomes()


def guests_who_never_come(scene: Scene) -> None:
    """guests who never come"""
    (ann, dora, eve), (one, two, three) = _names(scene, 3), scene.words(3)
    patience = scene.random.uniform(0.2, 0.3)
    lost = [(dora, one), (eve, two), (eve, two)]
    with Desk(scene, [*lost, (ann, three)], patience) as desk:
        guest = desk.guest(ann)
        early = _sleeps(desk, guest)
        frames = guest.hears(6 * patience)
        came, outcome = early or time.monotonic(), desk.outcome()
        frames = frames or guest.hears(0.5)
        after, seconds = time.monotonic() - came, outcome.seconds
        if not outcome.value:
            desk.blame(NOBODY, "Three letters were for guests who never came, and you reported none.")
        happened = f"Three letters had {patience:.2f} s each, and nobody came; you reported {outcome.value!r:.200} "
        happened += f"after {seconds:.2f} s."
        if not frames:
            happened += f" {guest.title} was there and got nothing."
            if (ann, three) in outcome.value:  # three waits, or else she was not waited for
                desk.blame(GAVE_UP if seconds < 2.6 * patience else ENDED, happened, guest)
            if len(outcome.value) < 3:
                desk.blame(GAVE_UP if seconds < 0.8 * patience else ENDED, happened, guest)
            desk.blame(THROWN, happened, guest)
        if frames != [three] and frames:
            desk.differs(guest, three, frames)
        if early and seconds < 2.6 * patience and after > 0.6 * patience:
            desk.blame(OVERTOOK, f"{happened} {guest.title}'s letter, the last, came {after:.2f} s before.", guest)
        desk.reports(lost, outcome)
        if seconds < 2.6 * patience:
            label = GAVE_UP if seconds < 0.8 * patience else TOGETHER if seconds < 1.6 * patience else FOR_GOOD
            desk.blame(label, happened)
        if seconds > 1.7 * 3 * patience:
            desk.blame(LONGER, happened)


def _sleeps(desk: Desk, guest: Peer) -> float:
    """While nobody comes there is nothing to compute. When the guest who is there had a letter; 0.0 for not yet."""
    came = list[float]()

    def look() -> None:
        if zmq.select([guest.socket], [], [], 0.0)[0]:
            came.append(time.monotonic())
        time.sleep(STEP)

    calls = desk.scene.recording.calls
    desk.answer.until(lambda: calls.get(desk.answer.dump), SOON_ENOUGH)
    began = time.monotonic()
    spent = spun(desk.answer.process.pid, 0.8 * desk.patience, look)
    if spent and not desk.answer.process.told:
        happened = (
            f"Nobody was there. In {time.monotonic() - began:.2f} s your function was computing for {spent:.2f} s."
        )
        raise NotYet(SPUN, happened, desk.scene.first("send", ENTRY))
    return came[0] if came else 0.0


def a_guest_who_comes_late(scene: Scene) -> None:
    """a guest who comes too late for one letter and in time for the next"""
    (ann, carl), (one, two, three, four, five) = _names(scene, 2), scene.words(5)
    patience = scene.random.uniform(0.45, 0.55)
    letters = [(ann, one), (carl, two), (ann, three), (carl, four), (ann, five)]
    with Desk(scene, letters, patience) as desk:
        here = desk.guest(ann)
        desk.gets(here, one)
        desk.gets(here, three)
        late = desk.guest(carl)
        frames = late.hears()
        happened = f"{late.title} came when {here.title} had got the third of five letters"
        if frames == [two]:
            desk.blame(OVERTOOK, f"{happened}; he got the second, which was still waiting.", late)
        if not frames:
            outcome = desk.outcome()
            if (carl, four) not in outcome.value:
                desk.blame(NOBODY, f"{happened}; the fourth did not come, and was not reported.", late)
            if outcome.seconds < 1.9 * patience:
                desk.blame(FOR_GOOD, f"{happened}; the fourth was for him, and was given up at once.", late)
            return  # this machine was too slow for him to be in time
        if frames != [four]:
            desk.differs(late, four, frames)
        desk.gets(here, five)
        desk.reports([(carl, two)], desk.outcome())


def guests_who_are_there(scene: Scene) -> None:
    """guests who are there, one of whom reads late"""
    (ann, bob, carl), (one, two) = _names(scene, 3), scene.words(2)
    many = [b"%d" % scene.random.randrange(10**9) + bytes(HEAVY) for _ in range(MANY)]
    letters = [(ann, one), (bob, b""), (ann, two), *((carl, text) for text in many)]
    with Desk(scene, letters, SOON_ENOUGH) as desk, zmq.Context() as context, context.socket(zmq.DEALER) as reader:
        reader.routing_id, reader.rcvhwm, reader.linger = carl, 1, 0
        reader.connect(desk.ends["desk"])
        first, second = desk.guest(ann), desk.guest(bob)
        desk.gets(first, one)
        desk.gets(second, b"")
        desk.gets(first, two)
        outcome = desk.outcome()
        scene.calls.clear()  # too heavy to be kept
        got = 0
        while got < MANY and reader.poll(SOON_ENOUGH * 1000 if outcome.value == [] else 0):
            frames = reader.recv_multipart()
            if came := [number for number, text in enumerate(many) if frames == [text] and number != got]:
                happened = f"{carl.decode()} read late. Letter {got + 1} of {MANY} was due; letter {came[0] + 1} came."
                raise NotYet(OVERTOOK if came[0] > got else TWICE, happened)
            if frames != [many[got]]:
                desk.differs(second, b"a letter to " + carl, frames)
            got += 1
        if got < MANY - KERNEL and outcome.value == []:
            happened = f"{carl.decode()} read late. Of {MANY} letters {got} came, and none was reported."
            raise NotYet(THROWN, happened, scene.first("close", ENTRY))
        desk.reports([], outcome)


def a_guest_who_comes_back(scene: Scene) -> None:
    """a guest who comes back on a new connection"""
    (ann, bob), (one, two, three) = _names(scene, 2), scene.words(3)
    with Desk(scene, [(ann, one), (bob, two), (ann, three)], SOON_ENOUGH) as desk:
        old = desk.guest(ann)
        desk.gets(old, one)
        with zmq.Context() as context, context.socket(zmq.DEALER) as new:
            new.routing_id, new.linger = ann, 0
            with new.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as shaken:
                new.connect(desk.ends["desk"])
                shaken.poll(SOON_ENOUGH * 1000)
                new.disable_monitor()
            desk.gets(desk.guest(bob), two)
            happened = f"{old.title} had the first letter and connected anew; then {bob.decode()} came."
            outcome = desk.outcome()
            got = new.recv_multipart() if new.poll(500) else []
            if got and got != [three]:
                desk.differs(old, three, got)
            if not got and (ann, three) not in outcome.value:
                desk.blame(OLD, f"{happened} The third letter did not come on the new connection.", old)
            desk.reports([], outcome)


def the_end(scene: Scene) -> None:
    """the end of its Context"""
    (ann, dora), (one, two) = _names(scene, 2), scene.words(2)
    with Desk(scene, [(ann, one), (dora, two)], LONG) as desk:
        desk.gets(desk.guest(ann), one)  # and then it waits for the other
        desk.end()


EQUIVALENT = {
    "line 8, more: 1": "any number but 0 turns it on",
    "line 9, more: 1": "any number but 0 turns it on",
    "line 18, swap: (zmq.EHOSTUNREACH, zmq.EAGAIN)": "their order does not matter",
    "line 19, drop: raise": "the poll raises the end of the Context once more, and nothing else comes",
    "line 23, less: 10": "a pause of any few milliseconds will do",
    "line 23, more: 10": "a pause of any few milliseconds will do",
}
TRY = alone
SCENES = (guests_who_are_there, guests_who_never_come, a_guest_who_comes_late, a_guest_who_comes_back, the_end)
