# SPDX-License-Identifier: BSD-3-Clause
"""Balance the load of workers that can take several requests at a time, each its own number of them."""

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

import zmq

from exercises.peers import ENDLESS, GLANCE, LOST_FRAME, UNBOUND, Frames, Peer, Table, asleep, computed
from exercises.scene import Scene

ENTRY = "broker"

HINTS = (
    "A line of free workers says who is free and not how busy the others are. What do you have to know of each worker "
    "to answer three questions: has it a free place, how many requests has it, and is this reply due?",
    "Keep three things for each worker: how many places it has, a list of the clients whose requests are in its hands, "
    "and when it was given the last one, for which a number that you count up will do. Everything else can be computed "
    "from these when it is needed.",
    "`min(..., key=...)` may compare pairs: first how many requests somebody has, then when the last one was given. Of "
    "several that are equally small it returns the first, and a dictionary keeps the order in which its keys were put "
    "in.",
)
VARIANT = (
    "choose the fastest instead: remember how long each worker took for its last request, and try those first of whom "
    "you know nothing yet. What becomes of a worker that was slow once?"
)
LIMIT = "what a worker had in its hands when it died is lost, and its clients wait for ever."
WHY = "how many requests can be inside your broker at any moment, neither in a socket nor in a worker's hands?"

ONE_AT_A_TIME = "a worker with several places got one request at a time"
ALONE = "READY alone was not taken for READY"
NUMBER = "READY with a number was not taken for READY"
TOO_MANY = "a worker got more requests than it has places"
NO_FURTHER = "a worker that had replied got no further request"
FREED = "a reply freed more than one place"
NO_NUMBER = "READY with what is no number from 1 to 99 was taken for READY"
MORE_PLACES = "a second READY made more places"
NOT_HEARD = "a second READY was not heard"
FORGOT = "a second READY made the broker forget requests"
FILLED = "one worker was filled while another had nothing to do"
MOST_FREE = "the worker with the most free places came first"
USED_LAST = "the worker that was used last got the next request"
NO_TURNS = "equal workers did not take turns"
NEWCOMER = "a worker that had had none did not come first"
LOST = "a request that came while nobody was free was lost"
SPUN = "it spun while nobody was free"
NOT_DUE = "a reply that was not due was passed on"
NOT_DUE_FREED = "a reply that was not due freed a place"
ENDED = "a malformed message ended the broker"
GONE_ENDED = "a reply to a client that has gone ended the broker"
ODD_REPLY = "a malformed reply was passed on"
ODD_REQUEST = "a malformed request was passed on"
EXCHANGED = "the client's address and the worker's were exchanged"
PART = "only a part of the message was passed on"
UNHEARD = "a reply never reached its client"

LABELS = {
    ONE_AT_A_TIME: "what does the number behind READY change?",
    ALONE: "which forms of READY does the contract know?",
    NUMBER: "how many frames has this message, and which form did you expect?",
    TOO_MANY: "when is a worker not to be chosen?",
    NO_FURTHER: "what does a reply tell you besides the answer?",
    FREED: "how many of the worker's requests are done now?",
    NO_NUMBER: "which numbers does the contract know, and what else does your conversion accept?",
    MORE_PLACES: "is the number a gift or a state?",
    NOT_HEARD: "what if a worker can take more than it thought?",
    FORGOT: "what is in a worker's hands when it says READY again?",
    FILLED: "how busy is each of those that you can choose from?",
    MOST_FREE: "who has less to do, one with 3 of 4 places free or one with 1 of 1?",
    USED_LAST: "at which end of the line does a worker belong that has just been given something?",
    NO_TURNS: "who comes first among those that have equally few requests?",
    NEWCOMER: "where in the line does a worker belong that comes when others have worked already?",
    LOST: "which socket is worth reading when no place is free?",
    SPUN: "what does a poller say of a message that you leave where it is, and how often?",
    NOT_DUE: "who may answer a client?",
    NOT_DUE_FREED: "whose requests does this worker have in its hands?",
    ENDED: "what do you know of a frame before you have looked at it?",
    GONE_ENDED: "what does a ROUTER do with a message to nobody, and what have you told it to do?",
    ODD_REPLY: "what does a reply look like, and how many frames has it at least?",
    ODD_REQUEST: "what does a request look like to your ROUTER?",
    LOST_FRAME: "which frames stand between an address and what follows it?",
    EXCHANGED: "which of the two leads the message, and which is inside?",
    PART: "how many frames may a body have?",
    UNHEARD: "which frame tells a ROUTER where a message goes?",
    UNBOUND: "who stays where it is, the broker or the others?",
    ENDLESS: "which exceptions do you catch, and what waits when the Context has gone?",
}

STEP = 0.01  # seconds between two looks
SPIN = 0.03  # seconds of computing that a broker does not need to wait
BUSY = 0.008  # the same for one that was never seen asleep
LONGER = 2.0  # seconds for which one is watched that does not sleep
GONE = 6  # replies to a client that has gone
MANY = 11  # places: a number of two digits
NO_NUMBERS = b"many", b"+5", b" 5", b"1_0", b"100", b"5.0"
PLACES = {"Ada": 2, "Cleo": 4, "Bea": 2}

Hands = dict[Peer, list[bytes]]  # which requests each worker has


def reply(worker: Peer, client: Peer, *body: bytes) -> None:
    worker.say(client.name, b"", *body)


class Hall(Table):
    """A broker under trial between clients and workers. Requests go to any of `workers`.

    hostile  whether something was said that is not in the contract
    ended    what it is to end after that
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, "frontend", "backend")
        self.workers: list[Peer] = []
        self.hostile, self.ended = False, ENDED

    def clients(self, *names: str) -> list[Peer]:
        return [self.seat(name, "frontend") for name in names]

    def worker(self, name: str, *ready: bytes) -> Peer:
        """A worker; it says READY with these frames behind it, or nothing yet."""
        self.workers.append(self.seat(name, "backend"))
        if ready:
            self.workers[-1].say(*ready)
        return self.workers[-1]

    def alive(self) -> None:
        outcome = self.answer.ended()
        if outcome and outcome.error and self.hostile:
            happened = f"It ended with {outcome.error}: {outcome.message}\n{outcome.trace}".rstrip()
            self.blame(self.ended, happened)
        super().alive()

    def taken(self, client: Peer, *body: bytes) -> Peer | None:
        """Which worker gets this client's request now, if one does. What it gets must be right."""
        worker, frames = self.first(self.workers)
        if frames == [b"", client.name, b"", *body]:
            return worker
        if frames:
            self.differs(worker, frames, client, body)
        self.alive()
        if not self.hostile and (strayed := client.glance(STEP)):
            happened = f"{client.title} asked, and got {strayed!r}, which is for a worker."
            self.blame(EXCHANGED, happened, client)
        return None

    def given(self, client: Peer, *body: bytes, label: str = "", missing: str = "") -> Peer:
        """Which worker gets it. Nobody does: that has this label, where `missing` tells what happened."""
        worker = self.taken(client, *body)
        if worker is None:
            if not self.hostile:
                self.lost(client, body)
            if missing:
                self.blame(label, missing, self.workers[0])
            self.silent(f"{client.title}'s request")
        return worker

    def lost(self, client: Peer, body: Sequence[bytes]) -> None:
        """Nobody has got this request. If somebody gets the next one, it is lost."""
        client.say(b"again")
        worker, frames = self.first(self.workers, GLANCE)
        if frames[-1:] == [b"again"]:
            happened = f"{client.title}'s request {body[0]!r} came while no place was free. {worker.title} got the "
            self.blame(LOST, f"{happened}next one, and never that.", worker)

    def differs(self, worker: Peer, frames: Frames, client: Peer, body: Sequence[bytes]) -> NoReturn:
        """A worker has got what is not the request that was due."""
        happened = f"{worker.title} got {frames!r} where {client.title}'s request was due."
        if worker.name in frames:
            self.blame(EXCHANGED, happened, worker)
        if self.hostile and body[-1] not in frames:
            self.blame(ODD_REQUEST, happened, worker)
        self.whole(worker, frames, happened, 2, body)
        self.blame("", happened, worker)

    def whole(self, peer: Peer, frames: Frames, happened: str, count: int, body: Sequence[bytes]) -> None:
        """Whether a message has so many empty frames, and its whole body."""
        self.framed(peer, frames, count)
        if not set(body) <= set(frames) and set(body) & set(frames):
            self.blame(PART, happened, peer)

    def answered(
        self, worker: Peer, client: Peer, *body: bytes, label: str = UNHEARD, unheard: Callable[[], None] | None = None
    ) -> None:
        """This worker replies, and the client must get that now."""
        reply(worker, client, *body)
        frames = client.hears()
        if frames == [b"", *body]:
            return
        if not frames:
            self.alive()
            if unheard:
                unheard()
            self.blame(label, f"{worker.title} replied, and {client.title} heard nothing.", worker)
        happened = f"{client.title} got {frames!r} where {worker.title}'s reply {body!r} was due."
        self.whole(client, frames, happened, 1, body)
        self.blame("", happened, client)

    def nobody(self, label: str, happened: str, seconds: float = GLANCE) -> None:
        """No worker may get anything now. Looked at in small steps, which take longer where the machine is busy."""
        for _ in range(max(1, round(seconds / STEP))):
            worker, frames = self.first(self.workers, STEP)
            if frames:
                self.blame(label, f"{happened} {worker.title} got {frames!r} all the same.", worker)


def alone(scene: Scene) -> None:
    """one client, one worker"""
    with Hall(scene) as hall:
        [ann], ada = hall.clients("Ann"), hall.worker("Ada", b"READY", b"2")
        with contextlib.suppress(TimeoutError):  # so that the picture is the same each time
            scene.recording.wait("receive", ENTRY, timeout=1.0)
        for body in b"tea", b"milk":
            ann.say(body)
        hall.given(ann, b"tea")
        second = ada.glance(0.3)
        hall.answered(ada, ann, b"TEA")
        second or ada.hears()


def places_that_are_taken(scene: Scene) -> None:
    """workers with all their places taken"""
    with Hall(scene) as hall:
        one, two, three, four, five, six, seven, milk, hot = scene.words(9)
        (ann, bob), ola = hall.clients("Ann", "Bob"), hall.worker("Ola", b"READY")
        ann.say(one, milk)
        if hall.taken(ann, one, milk) is None:
            ola.say(b"READY", b"1")
            if hall.given(ann, one, milk) is ola:
                happened = "Ola said READY and got nothing; she said READY 1 and got Ann's request."
                hall.blame(ALONE, happened, ola)
        ada = hall.worker("Ada", b"READY", b"3")
        for count, body in enumerate((two, three, four)):
            ann.say(body)
            happened = f"Ada had said READY 3 and had {count} in her hands; Ann asked, and Ada got nothing."
            if hall.given(ann, body, label=(NUMBER, ONE_AT_A_TIME, "")[count], missing=happened) is ola:
                happened = "Ola had said READY and had a request in her hands; she got another."
                hall.blame(TOO_MANY, happened, ola)
        bob.say(five)
        _sleeps(hall)
        hall.nobody(TOO_MANY, "Ola had 1 of 1 places taken, Ada 3 of 3, and Bob asked.", STEP)
        hall.answered(ada, ann, hot, three)
        happened = "Ada replied while Bob's request waited, and got nothing."
        hall.given(bob, five, label=NO_FURTHER, missing=happened)
        bob.say(six)
        hall.nobody(FREED, "Ada had 3 places, replied once and got one more; Bob asked.")
        hall.answered(ola, ann, hot, one)
        if hall.given(bob, six) is ada:
            hall.blame(FREED, "Ada had 3 places, replied once, and got the next two requests.", ada)

        def forgotten() -> None:
            """Ada's reply was passed on to nobody: perhaps her request is taken to be done."""
            ann.say(seven)
            if hall.taken(ann, seven) is ada:
                happened = "Ada had 3 places, replied once and got one more; then she got another, and no other reply "
                hall.blame(FREED, f"{happened}of hers was passed on.", ada)

        hall.answered(ada, ann, hot, two, unheard=forgotten)
        for worker, client, body in (ada, bob, five), (ola, bob, six), (ada, ann, four):
            hall.answered(worker, client, hot, body)


def _sleeps(hall: Hall) -> None:
    """All places are taken and a request waits: for that a broker needs no computing time.

    Where the machine is so busy that little can be seen in a moment, one that never sleeps is watched for longer.
    """
    pid, start = hall.answer.process.pid, time.monotonic()
    before, slept, seconds = computed(pid), 0, 0.0
    while seconds < (GLANCE if slept >= 3 else LONGER):
        zmq.select([hall.workers[0].socket], [], [], STEP)
        hall.alive()
        spent, seconds = computed(pid) - before, time.monotonic() - start
        slept += asleep(pid)
        if spent > (SPIN if slept or seconds < LONGER else BUSY):
            happened = f"All places were taken and a request waited. In {seconds:.2f} s of that your broker was "
            hall.blame(SPUN, f"{happened}computing for {spent:.2f} s.")


def several_workers(scene: Scene) -> None:
    """workers with different numbers of places"""
    with Hall(scene) as hall:
        [ann] = hall.clients("Ann")
        hands: Hands = {}
        for name, places in PLACES.items():  # each is filled before the next one comes
            worker = hall.worker(name, b"READY", b"%d" % places)
            hands[worker] = []
            _round(hall, ann, hands, [worker] * places)
        ada, cleo, bea = hands
        _emptied(hall, ann, hands, ada, cleo, bea)
        _round(hall, ann, hands, [ada, cleo, bea, ada, cleo, bea, cleo, cleo], PATTERNS)
        _emptied(hall, ann, hands, cleo)
        _emptied(hall, ann, hands, ada, count=1)
        _round(hall, ann, hands, [cleo, ada])
        _emptied(hall, ann, hands, bea, ada)
        _round(hall, ann, hands, [bea, ada, cleo])
        _emptied(hall, ann, hands, cleo, ada, bea)  # who was given something last replies first
        _round(hall, ann, hands, [bea, ada, cleo])


def _emptied(hall: Hall, ann: Peer, hands: Hands, *order: Peer, count: int = 4) -> None:
    """These workers reply to so many of their requests."""
    for worker in order:
        for body in hands[worker][:count]:
            hands[worker].remove(body)
            hall.answered(worker, ann, b"done", body)


def _round(hall: Hall, ann: Peer, hands: Hands, due: list[Peer], patterns: dict[str, str] | None = None) -> None:
    """Ann asks once for each of these workers, and they must get it in this order.

    If they do not, the first difference tells what is wrong, unless the whole order is one of `patterns`.
    """
    got: list[Peer] = []
    first: tuple[str, str, Peer] | None = None
    for worker in due:
        body = b"%d" % hall.scene.recording.count("send", "Ann")
        had = {each: len(whose) for each, whose in hands.items()}
        got.append(_next(hall, ann, hands, worker, body))
        if got[-1] is not worker and first is None:
            first = _difference(had, got[-1], worker)
            if not patterns:
                hall.blame(*first)
        hands[got[-1]].append(body)
    if first:
        order = ", ".join(worker.title for worker in got)
        label = (patterns or {}).get("".join(worker.title[0] for worker in got))
        happened = f"All were free: Ada and Bea with 2 places, Cleo with 4. Eight requests went to {order}."
        hall.blame(*((label, happened, first[2]) if label else first))


def _next(hall: Hall, ann: Peer, hands: Hands, due: Peer, body: bytes) -> Peer:
    """Ann asks; who gets it. Somebody must who has a free place."""
    ann.say(body)
    has, places = len(hands[due]), PLACES[due.title]
    missing = f"{due.title} had said READY {places} and had {has} in her hands. Ann asked, and {due.title} got nothing."
    first = has == 0 and len(hands) == 1  # else something is wrong that has no name
    got = hall.given(ann, body, label=NUMBER if first else ONE_AT_A_TIME, missing=missing if first or has == 1 else "")
    if len(hands[got]) >= PLACES[got.title]:
        happened = (
            f"{got.title} had said READY {PLACES[got.title]}, had {len(hands[got])} in her hands and got another."
        )
        hall.blame(TOO_MANY, happened, got)
    return got


def _difference(had: dict[Peer, int], got: Peer, due: Peer) -> tuple[str, str, Peer]:
    """What can be said of it that this worker got a request and not that one."""
    happened = f"In their hands were: {', '.join(f'{each.title} {count}' for each, count in had.items())}. "
    happened += f"The next request went to {got.title}."
    if had[got] > had[due] == 0:
        return FILLED, happened, got
    if had[got] == had[due]:
        return NO_TURNS, f"{happened} {due.title}'s last request was given to her longer ago.", got
    return "", f"{happened} It was {due.title}'s turn.", got


def _patterns() -> dict[str, str]:
    """In which order eight requests go to the three, all free, by the first letters, for what is chosen wrongly."""
    rules: list[tuple[str, Callable[[int, int], float], bool]] = [
        (MOST_FREE, lambda places, has: has - places, False),
        (MOST_FREE, lambda places, has: has / places, False),
        (MOST_FREE, lambda places, has: -places, False),
        (USED_LAST, lambda places, has: has, True),
        (USED_LAST, lambda places, has: 0, True),
    ]
    found = {}
    for label, score, backwards in rules:
        for turns in True, False:  # whether equal ones take turns
            line, has, order = list(PLACES), dict.fromkeys(PLACES, 0), ""
            for _ in range(sum(PLACES.values())):
                free = [name for name in line if has[name] < PLACES[name]]
                name = min(reversed(free) if backwards else free, key=lambda name: score(PLACES[name], has[name]))
                has[name] += 1
                order += name[0]
                if turns:
                    line.remove(name)
                    line.append(name)
            found[order] = label
    return found


PATTERNS = _patterns()


def ready_again(scene: Scene) -> None:
    """a worker that says READY again"""
    with Hall(scene) as hall:
        one, two, three, four, five, six, hot = scene.words(7)
        [ann], ada = hall.clients("Ann"), hall.worker("Ada", b"READY")
        ann.say(one)
        hall.given(ann, one)
        ada.say(b"READY")
        ann.say(two)
        hall.answered(ada, ann, hot, one, label=FORGOT)
        hall.given(ann, two)
        ann.say(three)
        ada.say(b"READY", b"2")
        happened = "Ada had said READY and had a request. She said READY 2; Ann's next request waited for ever."
        hall.given(ann, three, label=NOT_HEARD, missing=happened)
        ada.say(b"READY", b"2")
        hall.answered(ada, ann, hot, two, label=FORGOT)
        ann.say(four)
        happened = "Ada had two places, and replied to one of two requests. Ann asked, and Ada got nothing."
        hall.given(ann, four, label=NO_FURTHER, missing=happened)
        more = "Ada said READY twice, then READY 2 twice, and had two requests in her hands; Ann asked."
        for body in five, six:
            ann.say(body)
        hall.nobody(MORE_PLACES, more)
        hall.answered(ada, ann, hot, three, label=FORGOT)
        hall.given(ann, five)
        hall.nobody(MORE_PLACES, more)


def strangers(scene: Scene) -> None:
    """messages in no known form, and replies that nobody is due"""
    with Hall(scene) as hall:
        one, two, three, four, hot, cold, odd_one = scene.words(7)
        (ann, bob), ada = hall.clients("Ann", "Bob"), hall.worker("Ada")
        hall.hostile = True
        for odd in [b"READY"], [b""], [b"", b"READY", b""], [b"", b"READY", b"1", b"2"], [b"", b"READY", b"0"]:
            ada.raw(*odd)
        ada.say(b"READY", b"1")
        for odd in [odd_one], [b""], [odd_one, b"", cold]:
            ann.raw(*odd)
        ann.say(one)
        happened = "Ann said three things that are no requests, then asked; Ada had a free place and got nothing."
        hall.given(ann, one, missing=happened)
        for body in two, three, four:
            bob.say(body)
        for odd in [b"", b"Ann", b""], [b"", b"Ann", b"not", cold], [b"Ann", b"", cold]:
            ada.raw(*odd)
        ada.say(b"READY", b"0")
        reply(ada, ann, hot)
        frames = ann.hears()
        if frames and frames != [b"", hot]:
            hall.blame(ODD_REPLY, f"Ada said something that is no reply, and Ann got {frames!r}.", ann)
        if not frames:
            hall.alive()
            hall.blame(UNHEARD, "Ada replied, and Ann heard nothing.", ada)
        if hall.taken(bob, two) is None:
            ada.say(b"READY", b"1")
            if hall.taken(bob, two) is ada:
                happened = "Ada said READY 1, then READY 0, which is no number of places. She got nothing until she "
                hall.blame(NO_NUMBER, f"{happened}said READY 1 again.", ada)
            hall.silent("Bob's request")
        hall.hostile = False
        nell = _not_due(hall, ann, bob, ada, three, four)
        _gone(hall, ann, bob, ada, nell)


def _not_due(hall: Hall, ann: Peer, bob: Peer, ada: Peer, three: bytes, four: bytes) -> Peer:
    """Ada has Bob's request, and three and four are to follow; she and Nell reply to Ann, who has asked neither."""
    reply(ada, ann, b"cold")
    twice = "Ada had one place and one of Bob's requests; she replied to Ann, whom she had answered before."
    hall.nobody(NOT_DUE_FREED, twice)
    _unwanted(hall, ann, ada, "Ada replied to Ann, whom she had answered before")
    hall.answered(ada, bob, b"hot", label=NOT_DUE_FREED)
    hall.given(bob, three)
    hall.nobody(NOT_DUE_FREED, twice)
    hall.answered(ada, bob, b"hot")
    hall.given(bob, four)
    nell = hall.worker("Nell")
    reply(nell, ann, b"boo")
    nell.say(b"READY", b"1")
    ann.say(b"five")
    if hall.given(ann, b"five") is not nell:
        hall.silent("Ann's request")
    _unwanted(hall, ann, nell, "Nell had never had a request, and replied to Ann")
    return nell


def _unwanted(hall: Hall, ann: Peer, worker: Peer, what: str) -> None:
    if frames := ann.glance(2 * STEP):
        hall.blame(NOT_DUE, f"{what}, and Ann got {frames!r}.", worker)


def _gone(hall: Hall, ann: Peer, bob: Peer, ada: Peer, nell: Peer) -> None:
    """Bob has a request in Ada's hands and asks for more; then he goes, and she replies to each of them."""
    ada.say(b"READY", b"%d" % MANY)
    for has in range(1, MANY):
        bob.say(b"more")
        missing = f"Ada had said READY {MANY} and had {has} in her hands; Bob asked, and she got nothing."
        if hall.given(bob, b"more", label=NUMBER, missing=missing) is not ada:
            hall.silent("Bob's request")
    bob.socket.close(0)
    hall.hostile, hall.ended = True, GONE_ENDED
    for number in range(GONE):  # the first may come before the broker can know
        reply(ada, bob, b"hot")
        ann.say(b"after %d" % number)
        if hall.given(ann, b"after %d" % number) is not ada:
            hall.silent("Ann's request, after a reply to a client that has gone,")
    for number in NO_NUMBERS:  # Ada and Nell have all their places taken
        nell.say(b"READY", number)
    ann.say(b"last")
    happened = f"Nell had 1 of 1 places taken, and said READY with {', '.join(map(repr, NO_NUMBERS))}; Ann asked."
    hall.nobody(NO_NUMBER, happened)


def a_newcomer(scene: Scene) -> None:
    """a worker that comes when another one has worked already and the end of its Context"""
    with Hall(scene) as hall:
        one, two, hot = scene.words(3)
        [ann], ada = hall.clients("Ann"), hall.worker("Ada", b"READY", b"2")
        ann.say(one)
        hall.given(ann, one)
        hall.answered(ada, ann, hot, one)
        nell = hall.worker("Nell", b"READY")

        def known() -> bool:  # that her READY was read only a trace can tell; where there is none, nothing is judged
            return any(
                e.kind == "receive" and e.actor == ENTRY and nell.name in e.frames for e in scene.recording.events
            )

        known_in_time = hall.answer.until(known, 2 * GLANCE)
        ann.say(two)
        if hall.given(ann, two) is ada and known_in_time:
            happened = "Ada was free and had had a request; Nell had said READY and had had none. Ada got the next one."
            hall.blame(NEWCOMER, happened, ada)
        hall.end()


EQUIVALENT = {
    "line 7, swap: (places, hands, last)": "all three are empty",
    "line 7, swap: ({}, {}, {})": "all three are empty",
    "line 22, less: 0": "it is less than what any other has",
    "line 31, more: 1": "it is more than what any other has",
}
TRY = alone
SCENES = (places_that_are_taken, several_workers, ready_again, strangers, a_newcomer)
