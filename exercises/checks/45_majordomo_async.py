# SPDX-License-Identifier: BSD-3-Clause
"""Ask a service many things at once, and get each reply whole, also when one breaks off."""

import time
from typing import Any, NoReturn, Self

import zmq

from diagrams import trace
from exercises.answer import Call
from exercises.scene import GRACE, NotYet, Scene, counted, unexpected

ENTRY = "ask"

HINTS = (
    "Play it, and look at which of its messages travel over which socket. How does it know to which request a part of "
    "a reply belongs?",
    "Keep for each request under way its socket, its tries, the end of its time, and the parts that have come; throw "
    "the parts away with the socket. Whenever one ends, begin the next.",
    "One `zmq.Poller` waits for all the sockets at once. A dictionary from socket to request says whose turn it is.",
)
VARIANT = "hand each reply on as soon as all those before it are complete, and let the window count what still waits."
LIMIT = "a request whose reply broke off has been carried out once more, and its worker must not mind."
WHY = "at which places would a part of an old try have come in, if you had kept the socket?"

C = b"MDPC02"

LABELS = {
    "the broker heard no request": "which socket of yours connects to the endpoint, and what does it send?",
    "something else went out than the request, as MDP 0.2 has it": "which frames go before the body?",
    "two requests were under way on one socket": "what would tell you which of the two a PARTIAL belongs to?",
    "a request was asked again on the old socket": "where would the late reply to the first try arrive?",
    "more requests were under way than the window allows": "what do you count, and when do you count one less?",
    "fewer requests were under way than the window allows": "how many do you send before you wait?",
    "the next request waited until the whole window was answered": "what follows on one reply?",
    "a request was asked again before its time was over": "in which unit is it, and from when does it count?",
    "a part gave its try no more time": "what does a part say about the worker, and when is the try over then?",
    "what was no part ended the try": "what is a message of another form to you, and to its try?",
    "what was no part gave the try more time": "which messages may move the end of a try?",
    "a reply that broke off was not asked for again": "what follows when no more parts come?",
    "a request that was silent was not asked again": "what is done first when a time is over?",
    "a new request took the place of one that was to be asked again": "whose is the place when a time is over?",
    "a request was asked more often than it may be": "what counts its tries, the broken ones among them?",
    "a request was asked again that had been answered": "what ends a reply, and what is left to do then?",
    "a request that nobody answered held up the others": "who gets the place of one that is given up?",
    "parts of a try that was over came into the reply": "what becomes of the parts that you have?",
    "the replies did not come back in the order of the requests": "which reply belongs at which place of the list?",
    "parts of a reply were lost": "what belongs to a reply beside its FINAL, and to a part beside its first frame?",
    "the parts of a reply were not kept apart": "what is a reply of two parts, when each part has two frames?",
    "what was no part of a reply was taken for one": "which frames must a message have to be a part of this reply?",
    "what nobody had answered did not come back as None": "what stands there when the last try is over?",
    "what came back is not what the broker had replied": "what is in the list, and what is in a part?",
    "a socket was left open": "who closes the sockets of the tries that were in vain?",
}
(
    UNHEARD, FORM, TWO, SAME, MANY, FEW, BATCH, EARLY, PART_TIME, NOISE_END, NOISE_TIME, BROKEN, SILENT, JUMPED,
    OFTEN, AGAIN, HELD, OLD, ORDER, PARTS, FLAT, NOISE, NONE, WRONG, LEFT,
) = LABELS  # each by its name, in this order  # fmt: skip
EQUIVALENT = {
    "line 42, less: 1000": "it looks again a thousandth of its time earlier, and then waits for the rest",
    "line 16, more: 0": "a linger of a millisecond is as good as none",
    "line 25, drop: socket.close()": "nobody knows the socket any more, and then it is closed as well",
}

SOON = 1.2  # seconds in which an answer does what nothing keeps it from
GLANCE = 0.1  # seconds for a message that would be on its way already
SPARE = 0.8  # seconds that a busy machine may take beside a time that is over
EARLIEST = 0.65  # of a timeout, before which no try is over: a busy machine is late with the message that began it
Body = list[bytes]


class Host:
    """A broker by hand, and the answer that it serves. What it hears is in order, or it says what was wrong.

    under    number of a request under way -> (routing id, when it last had a part of its reply, or was asked)
    replies  number -> the bodies of the try at hand
    """

    def __init__(self, scene: Scene, count: int, window: int, timeout: float = 5.0, tries: int = 2) -> None:
        self.scene, self.window, self.timeout, self.tries = scene, window, timeout, tries
        self.service, self.other, *words = scene.words(count + 2)
        tails: list[Body] = [[], [b""], [b"", b"more"], [C, b"\x03"]]
        self.requests: list[Body] = [[word, *scene.random.choice(tails)] for word in words]
        self.context = trace.Context(scene.recording, "broker")
        self.router = self.context.socket(zmq.ROUTER)
        self.router.bind(endpoint := scene.stage.endpoint("broker"))
        self.asked = [0] * count
        self.under: dict[int, tuple[bytes, float]] = {}
        self.used: dict[bytes, int] = {}  # routing id -> the number that it stands for, or stood for
        self.replies: list[list[Body]] = [[] for _ in words]
        self.done: dict[int, float] = {}  # number of one that is answered -> when it last had a part before its FINAL
        self.old: list[Body] = []  # parts of tries that are over
        self.noised = set[bytes]()  # who has been told what is no part
        self.late = False  # it was slow to answer, and may be asked again
        self.empty = time.monotonic()  # when nothing had come yet
        self.answer = scene.answer(Call((endpoint, self.service, self.requests, window, timeout, tries)))
        self.answer.begun()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.router.close(linger=0)
        self.context.term()

    def blame(self, label: str, happened: str) -> NoReturn:
        events = [e for e in self.scene.recording.events if e.actor == "broker" and e.kind in ("send", "receive")]
        raise NotYet(label, happened, events[-1] if events else None)

    def title(self, number: int) -> str:
        return repr(self.requests[number][0])

    def hear(self, seconds: float = SOON) -> int | None:
        """The number of the request that comes next, which is under way then; or None, if none comes."""
        if (asked := self._next(seconds)) is None:
            return None
        self._begins(*asked)
        return asked[0]

    def _next(self, seconds: float) -> tuple[int, bytes] | None:
        """The number of the request that comes next, and the routing id of who asks."""
        until, ended = time.monotonic() + self.scene.within(seconds), False
        while not zmq.select([self.router], [], [], 0.02)[0]:  # unlike poll, not in the picture
            self.empty = time.monotonic()
            if self.answer.process.told and not ended:
                ended, until = True, min(until, self.empty + GRACE)
            if self.empty > until:
                return None
        peer, *frames = self.router.recv_multipart()
        if frames[:3] != [C, b"\x01", self.service] or frames[3:] not in self.requests:
            happened = f"The broker got {frames!r}; the service is {self.service!r}, and the requests are "
            self.blame(FORM, f"{happened}{self.requests!r}.")
        return self.requests.index(frames[3:]), peer

    def _begins(self, number: int, peer: bytes) -> None:
        """A request is asked by this peer: may it be, now and here?"""
        now, title = time.monotonic(), self.title(number)
        if number in self.done:
            if not self.late:
                early = self.timeout < SOON and now - self.done[number] < EARLIEST * self.timeout  # it met the FINAL
                noised = any(self.used[who] == number for who in self.noised)
                label = NOISE_END if noised else EARLY if early else AGAIN
                self.blame(label, f"The broker had sent the FINAL of {title}, and got the request again.")
            del self.done[number]
        for other, (who, at) in self.under.items():
            if who == peer and other != number:
                happened = f"{self.title(other)} was not answered when {title} came over the same connection"
                if who in self.noised:
                    self.blame(NOISE, f"{happened}, on which the broker had said something that is no part of a reply.")
                self.blame(TWO, f"{happened}.")
            if other == number and who != peer and now - at < EARLIEST * self.timeout:
                happened = f"The timeout was {self.timeout:g} s; {title} was asked again {now - at:.2f} s after "
                if who in self.noised:
                    self.blame(NOISE_END, f"{happened}it, for messages had come that are no part of its reply.")
                label, what = (PART_TIME, "a part") if self.replies[number] else (EARLY, "it")
                self.blame(label, f"{happened}{what}.")
        if peer in self.used and self.used[peer] not in self.done:
            self.blame(SAME, f"{title} came over the connection of a try that had been in vain.")
        self.asked[number] += 1
        if self.asked[number] > self.tries:
            self.blame(OFTEN, f"{title} was asked {counted(self.asked[number])}, and {self.tries} tries are allowed.")
        self.old += self.replies[number]
        self.under[number], self.used[peer], self.replies[number] = (peer, self.empty), number, []
        alive = [n for n, (_, at) in self.under.items() if self.asked[n] < self.tries or now - at < self.timeout / 2]
        if len(alive) > self.window:
            self._too_many(number, alive, now)

    def _too_many(self, new: int, alive: list[int], now: float) -> NoReturn:
        """One request more has come than may be under way: why?"""
        due = [number for number in alive if now - self.under[number][1] > EARLIEST * self.timeout]
        if due:
            self._jumped(new, due)
        happened = f"The window was {self.window}, and {len(alive)} requests were under way"
        if self.noised:
            self.blame(NOISE, f"{happened}, because the broker had said something that is no part of a reply.")
        self.blame(MANY, f"{happened}.")

    def _jumped(self, new: int, due: list[int]) -> NoReturn:
        """It came where one of these was due: are they asked again later, when there is room?"""
        title, late = self.title(new), list(due)
        self.part(new, final=True)
        while late and (asked := self._next(SOON)):
            number, peer = asked
            late = [n for n in late if n != number]
            self.under[number] = peer, time.monotonic()
            self.part(number, final=True)
        if late:
            number = min(late, key=lambda n: bool(self.replies[n]))
            self.missing(number, f"{title} came, and {self.title(number)} did not come again")
        happened = f"{' and '.join(map(self.title, due))} had to be asked again; {title} came, and only then that"
        self.blame(JUMPED, f"The timeout was {self.timeout:g} s; {happened}.")

    def missing(self, number: int, happened: str) -> NoReturn:
        """A try of this request is over, and the next does not come."""
        self.failed()
        self.blame(BROKEN if self.replies[number] else SILENT, f"The timeout was {self.timeout:g} s; {happened}.")

    def part(self, number: int, final: bool = False) -> None:
        """A part of the reply to a request: a body that no other has."""
        tails = [[b"", b"\xff"], [b""], []]  # the first part has more than one frame, and not only empty ones
        tail = self.scene.random.choice(tails if self.replies[number] else tails[:1])
        body = [b"%d" % self.scene.random.randrange(10**9), *tail]
        now, (peer, at) = time.monotonic(), self.under[number]
        self.late |= now - at > self.timeout / 2
        self.router.send_multipart([peer, C, b"\x03" if final else b"\x02", self.service, *body])
        self.replies[number].append(body)
        self.under[number] = peer, now
        if final:
            del self.under[number]
            self.done[number] = at

    def noise(self, number: int) -> None:
        """What is no part of a reply: all that comes where the parts of this one are due."""
        self.noised.add(self.under[number][0])
        word = self.other
        for frames in (
            [C, b"\x02", word, word], [C, b"\x03", word, word], [b"MDPC01", b"\x03", self.service, word],
            [C, b"\x04", self.service, word], [C, b"\x01", self.service, word], [C, b"\x03", self.service],
            [b"", C, b"\x03", self.service, word], [word], [b""],
        ):  # fmt: skip
            self.router.send_multipart([self.under[number][0], *frames])

    def failed(self) -> None:
        """Something is due, and nothing comes: an answer that has raised something is to blame, whatever is missing."""
        if (outcome := self.answer.ended()) and outcome.error:
            unexpected(outcome)

    def fills(self, count: int, label: str = FEW) -> None:
        """So many requests come, of themselves."""
        for _ in range(count):
            if self.hear() is None:
                self.failed()
                if not any(self.asked):
                    self.blame(UNHEARD, f"After {SOON:g} s, or when all was done, the broker had heard nothing.")
                if outcome := self.answer.ended():
                    self.compare(outcome.value)
                happened = f"The window was {self.window}; {len(self.under)} were under way, and no other came."
                self.blame(label, happened)

    def ends(self) -> None:
        """It has all that it needs: its result must be right."""
        until = time.monotonic() + self.scene.within(SOON)
        while not self.answer.process.told and time.monotonic() < until:
            if (number := self.hear(0.0)) is not None:  # its time was over before the FINAL came
                self.part(number, final=True)
        [outcome] = self.answer.outcomes(SOON)
        if outcome.error:
            unexpected(outcome)
        self.compare(outcome.value)
        if outcome.left_open:
            raise NotYet(LEFT, "When your function was done, a socket of its Context was still open.")

    def compare(self, value: Any) -> None:
        """What came back against what the broker has said."""
        wanted = [reply if n in self.done else None for n, reply in enumerate(self.replies)]
        happened = f"The broker had replied {wanted!r}; your function returned {value!r}."
        if value != wanted and (not isinstance(value, list) or len(value) != len(wanted)):
            self.blame(WRONG, happened)
        if value != wanted and sorted(map(repr, value)) == sorted(map(repr, wanted)):
            self.blame(ORDER, happened)
        for got, due in zip(value, wanted, strict=True):
            if got != due:
                self.blame(self._differs(got, due), happened)

    def _differs(self, got: Any, due: list[Body] | None) -> str:
        parts = got if isinstance(got, list) and all(isinstance(part, list) for part in got) else []
        if due is None:
            return NONE
        if any(part in self.old for part in parts):
            return OLD
        if any(not part or self.other in part for part in parts):
            return NOISE
        if got is None:
            return BROKEN if len(due) > 1 else SILENT
        flat, firsts = [frame for part in due for frame in part], [part[:1] for part in due]
        if got in (flat, [flat]) and got != due[-1]:
            return FLAT
        some = parts and all(part[:1] in firsts for part in parts)
        return PARTS if some or got in (due[-1], [first for [first] in firsts]) else WRONG


def alone(scene: Scene) -> None:
    """one request"""
    with Host(scene, 1, 1) as host:
        host.fills(1)
        host.part(0)
        host.part(0, final=True)
        host.answer.outcomes()


def fair_weather(scene: Scene) -> None:
    """replies in parts that overtake one another"""
    window = scene.random.choice((3, 4))
    with Host(scene, 7, window) as host:
        host.fills(window)
        host.hear(GLANCE)  # one more would be too many
        while host.under:
            numbers = list(host.under)
            for number in scene.random.sample(numbers * 2, len(numbers)):
                host.part(number)
                if host.done and scene.random.random() < 0.4:  # what has been seen before is not the noise's fault
                    host.noise(number)
            host.part(max(numbers), final=True)
            if not all(host.asked):
                host.fills(1, BATCH)
        host.ends()


def breaks(scene: Scene) -> None:
    """a try that is silent and one that breaks off"""
    timeout = 0.4
    with Host(scene, 3, 2, timeout, 4) as host:
        host.fills(2)
        first = dict(host.under)
        broken = scene.random.choice(list(first))
        host.part(broken)
        host.part(broken)
        while len(host.done) < 3:
            if (number := host.hear(timeout + SPARE)) is None:
                for left in sorted({*first} - {*host.done}, key=lambda n: bool(host.replies[n])):
                    host.missing(left, f"{host.title(left)} was not asked again")
                host.blame(HELD, "Two of three requests were answered, and the third did not come.")
            if number in first:
                host.router.send_multipart([first[number][0], C, b"\x02", host.service, host.other])
            host.part(number)
            host.part(number, final=True)
        host.ends()


def slowly(scene: Scene) -> None:
    """a reply that is slow and parts that are none"""
    timeout = 0.4
    with Host(scene, 4, 2, timeout, 9) as host:
        host.fills(2)
        slow = next(iter(host.under))
        for _ in range(2):  # the one that comes late has all of its time
            for _ in range(2):
                host.part(slow)
                host.hear(0.28 * timeout)
            host.part(next(n for n in host.under if n != slow), final=True)
            host.fills(1, BATCH)
        noisy = next(n for n in host.under if n != slow)
        began, number = time.monotonic(), None
        while (after := time.monotonic() - began) < 2.5 * timeout and number != noisy:
            host.part(slow)
            host.noise(noisy)
            number = host.hear(0.45 * timeout)
        if number != noisy:
            host.failed()
            happened = f"The timeout was {timeout:g} s; {host.title(noisy)} was not asked again for {after:.2f} s, "
            host.blame(NOISE_TIME, f"{happened}while messages came that are no part of its reply.")
        host.part(noisy, final=True)
        host.part(slow, final=True)
        host.ends()


def nobody(scene: Scene) -> None:
    """requests that nobody answers"""
    timeout, tries = 0.2, scene.random.choice((2, 3))
    with Host(scene, 4, 2, timeout, tries) as host:
        host.fills(2)
        lost = list(host.under)
        since = time.monotonic()
        while len(fresh := [n for n in host.under if n not in lost]) < 2:  # both places are free again
            number = host.hear(0.4 * timeout)
            for each in fresh:
                host.part(each)
            if number is not None:
                since = time.monotonic()
                if number in lost and host.asked[number] == tries:  # of the last try comes a part, and no more
                    host.part(number)
            elif time.monotonic() - since > timeout / 2 + SPARE or host.answer.process.told:
                host.failed()
                asked = f"{host.title(lost[0])} was asked {counted(host.asked[lost[0]])} where {tries} are allowed"
                happened = f"{asked}, and then {len(fresh)} of two places in the window were used."
                host.blame(SILENT if min(host.asked[n] for n in lost) < tries else HELD, happened)
        for number in fresh:
            host.part(number, final=True)
        host.ends()


TRY = alone
SCENES = (fair_weather, breaks, slowly, nobody)
