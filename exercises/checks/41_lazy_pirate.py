# SPDX-License-Identifier: BSD-3-Clause
"""Ask within one deadline, and never have the same question carried out twice."""

import time
from typing import Any, NoReturn

import zmq

from exercises.answer import Call, Outcome
from exercises.scene import Mute, NotYet, Scene, counted, unexpected

ENTRY = "ask"


HINTS = (
    "Play it with a lost reply in mind: what does your function do while no reply comes, and what may it do then with "
    "its socket?",
    "Decide two things before the first try: when everything has to be over, and which number this question has. "
    "Then let each try have its share of the time that is left.",
    "`uuid.uuid4().bytes` is a number that no other program will choose. `time.monotonic() + deadline` is an end that "
    "all tries can share; `poll` takes milliseconds.",
)
VARIANT = "let the share of each try double, so that a slow server gets more time with every try."
LIMIT = "if the server is restarted, it has forgotten the numbers, and a question may be carried out twice."
WHY = "which of the two, the number or the new socket, kept the question from being carried out twice?"

UNHEARD = "the server heard no question"
DELIMITER = "an empty frame was missing"
UNNUMBERED = "the question went out without its number"
OTHER_FRAMES = "something else went out than [number][question]"
LENGTH = "the number had not 1 to 32 bytes"
SAME = "every question had the same number"
TWO = "two programs chose the same number"
EACH = "every try had a number of its own"
OFTEN = "it asked more often than it was allowed to"
EFSM = "the same REQ was asked twice"
ONLY = "the only try had the whole time"
WHOLE = "every try had the whole time"
LATE = "it waited longer than it was told to"
EARLY = "it gave up before the time was over"
UNRETURNED = "an answer that had come was not returned"
EMPTY = "an empty answer was taken for none"
OLD = "an old reply was taken for the new answer"
NOT_THE = "what came back is not the server's answer"
NO_ERROR = "no error was raised although nobody had answered"
OTHER_ERROR = "another error was raised than TimeoutError"
LEFT = "a socket was left open"
BEHIND = "a question that nobody waits for was not given up"

LABELS = {
    UNHEARD: "which socket of yours connects to the endpoint, and what does it send?",
    DELIMITER: "a REP knows by an empty frame where the message begins; who writes it when it is no REQ that asks?",
    UNNUMBERED: "what does the contract say of the frames that the server gets?",
    OTHER_FRAMES: "which frame comes first, how many are there, and may anything be added to the question?",
    LENGTH: "how many bytes has your number, and how many may it have?",
    SAME: "what will the server say to a number that it has heard before?",
    TWO: "who else makes numbers as you do, and from where does he begin?",
    EACH: "what does the server think when it hears a number for the first time?",
    OFTEN: "what counts the tries in your loop?",
    EFSM: "what could you do with the socket before you try again?",
    ONLY: "what happens to your question if its first copy is lost?",
    WHOLE: "how much of the deadline is left when the second try begins?",
    LATE: "how long do all your waits take together, if each of them is in vain?",
    EARLY: "in which unit is the time that you wait, and does the last try have all that is left?",
    UNRETURNED: "what does your function do with a reply that is there?",
    EMPTY: "how does your function tell an answer without bytes from no answer?",
    OLD: "how can you tell which question a reply belongs to?",
    NOT_THE: "which frame of the reply is the answer, and what becomes of it on its way to the caller?",
    NO_ERROR: "how does the caller learn that nobody answered?",
    OTHER_ERROR: "which error does the contract name, and which one does a socket raise by itself?",
    LEFT: "who closes the socket when your function is done?",
    BEHIND: "what does a closed socket do with a message that it could not send yet?",
}

EQUIVALENT = {
    "line 10, more: 1": "every second try is left out: so many are allowed, none is asked for",
    "line 11, less: 0": "only on a machine so busy that the end is over before a try begins",
    "line 13, more: 0": "a millisecond is as good as none",
}

SLOW, SLOWER = 0.7, 1.2  # seconds after which an answer comes, of so many that it may take: more than half of them
SPARE = 0.5  # seconds that a busy machine may take beside the deadline


class Server:
    """Does what a REP does, and sees what a REP would drop. It carries out each number once.

    answers  what it says to one new number after the other; without any it never says a word
    late     a question that is answered when the next one has come
    heard    the messages behind the empty frame
    times    when they came
    known    number -> (question, answer)
    naked    messages without an empty frame
    """

    def __init__(self, scene: Scene, *answers: bytes, late: bytes = b"") -> None:
        self.scene, self.answers, self.late = scene, list(answers), late
        self.heard: list[list[bytes]] = []
        self.times: list[float] = []
        self.known: dict[bytes, tuple[bytes, bytes]] = {}
        self.naked: list[list[bytes]] = []
        self.endpoint = scene.stage.endpoint("server")
        scene.stage.play(self.role, name="server")

    def role(self, ctx: zmq.Context[Any]) -> None:
        waiting: list[list[bytes]] = []
        with ctx.socket(zmq.ROUTER) as router:
            router.bind(self.endpoint)
            while True:
                frames = router.recv_multipart()
                if b"" not in frames[1:-1]:
                    self.naked.append(frames[1:])
                    continue
                edge = frames.index(b"", 1) + 1
                self.times.append(time.monotonic())
                self.heard.append(body := frames[edge:])
                if reply := self.reply(body):
                    waiting.append([*frames[:edge], *reply])
                if not self.late or self.late not in body:
                    while waiting:
                        router.send_multipart(waiting.pop(0))

    def reply(self, body: list[bytes]) -> list[bytes]:
        if len(body) != 2:
            return [b"?"]
        number, question = body
        if number not in self.known:
            if not self.answers:
                return []
            self.known[number] = question, self.answers.pop(0)
        return [number, self.known[number][1]]

    def numbers(self, question: bytes) -> set[bytes]:
        return {number for number, asked in self.heard if asked == question}

    def often(self, question: bytes) -> int:
        return sum(asked == question for _, asked in self.heard)

    def blame(self, label: str, happened: str, number: int = 1) -> NoReturn:
        """The verdict, pointing at the message that the server received as so many-th."""
        raise NotYet(label, happened, self.scene.first("receive", "server", number))

    def asked(self, *questions: bytes, tries: int) -> None:
        """Each of these was asked in the form that the contract names, and not more often than `tries` times."""
        for number, frames in enumerate(self.heard, 1):
            if frames in [[question] for question in questions]:
                self.blame(UNNUMBERED, f"The server got {frames!r} where it expects [number][question].", number)
            if len(frames) != 2 or frames[1] not in questions:
                wanted = " and ".join(map(repr, questions))
                self.blame(OTHER_FRAMES, f"You were asked to send {wanted}, and the server got {frames!r}.", number)
            if not 1 <= len(frames[0]) <= 32:
                self.blame(LENGTH, f"The server got a number of {len(frames[0])} bytes: {frames[0]!r}.", number)
        for question in questions:
            if (often := self.often(question)) > tries:
                allowed = "one try" if tries == 1 else f"{tries} tries"
                happened = f"You had {allowed}; the server heard {question!r} {counted(often)}."
                self.blame(OFTEN, happened, len(self.heard))
        if self.naked and not self.heard:
            happened = f"The server got {self.naked[0]!r} without an empty frame before it; a REP drops that unseen."
            self.blame(DELIMITER, happened)


def _usual(scene: Scene, outcome: Outcome) -> None:
    """What holds for every call, whether it is answered or not."""
    if outcome.errno == zmq.EFSM:
        happened = "Without a reply you sent again on the socket that still waits for one. A REQ may not send twice."
        raise NotYet(EFSM, happened, scene.first("refused", ENTRY))
    if outcome.error and "TimeoutError" not in outcome.raised and outcome.error != "Again":
        unexpected(outcome)


def _answered(scene: Scene, server: Server, outcome: Outcome, question: bytes, deadline: float) -> None:
    """A question that the server has answered, once, has come back with this answer."""
    _usual(scene, outcome)
    numbers = server.numbers(question)
    if len(numbers) > 1:
        happened = f"The server heard {question!r} under {len(numbers)} numbers and carried it out as often."
        server.blame(EACH, happened, len(server.heard))
    answers = [server.known[number][1] for number in numbers]
    if outcome.error:
        _in_vain(scene, outcome, answers, deadline)
    _is(server, outcome, answers)


def _in_vain(scene: Scene, outcome: Outcome, answers: list[bytes], deadline: float) -> NoReturn:
    """An error was raised although the server answers."""
    if _early(scene, outcome, deadline):
        after = f"your function raised {outcome.error} after {outcome.seconds:.1f} s"
        happened = f"The deadline was {deadline:g} s, and {after}."
        raise NotYet(EARLY, happened)
    if not answers:
        raise NotYet(UNHEARD, f"The server heard nothing, and your function raised {outcome.error}.")
    said = " and ".join(map(repr, answers))
    raise NotYet(UNRETURNED, f"The server answered {said}, yet your function raised {outcome.error}.")


def _early(scene: Scene, outcome: Outcome, deadline: float) -> bool:
    """Whether it gave up while there was time and, as far as it can be seen, no reply had come."""
    returned = sum(not other.error for other in scene.outcomes)
    received = sum(event.kind == "receive" and event.actor != "server" for event in scene.recording.events)
    return outcome.seconds < 0.9 * deadline and received <= returned and (received > 0 or not returned)


def _is(server: Server, outcome: Outcome, answers: list[bytes]) -> None:
    """What came back is one of these answers."""
    if not server.heard:
        raise NotYet(UNHEARD, f"The server heard nothing, and your function returned {outcome.value!r}.")
    if type(outcome.value) is not bytes or outcome.value not in answers:
        said = " and ".join(map(repr, answers)) or "nothing to this question"
        label = OLD if outcome.value in [other for _, other in server.known.values()] else NOT_THE
        raise NotYet(label, f"The server answered {said}, and your function returned {outcome.value!r}.")


def _gave_up(scene: Scene, outcome: Outcome, deadline: float) -> None:
    """A question that nobody answered ended with a TimeoutError, in time."""
    _usual(scene, outcome)
    if not outcome.error:
        raise NotYet(NO_ERROR, f"Nobody had answered, and your function returned {outcome.value!r}.")
    if outcome.error == "Again":
        raise NotYet(OTHER_ERROR, f"Nobody had answered, and your function raised Again.\n{outcome.trace}")
    if outcome.seconds > deadline + SPARE:
        happened = f"The deadline was {deadline:g} s for all tries; your function ended after {outcome.seconds:.1f} s."
        raise NotYet(LATE, happened, scene.first("wait", ENTRY, 2))


def _closed(outcomes: list[Outcome]) -> None:
    if any(outcome.left_open for outcome in outcomes):
        raise NotYet(LEFT, "When your function was done, a socket of its Context was still open.")


def alone(scene: Scene) -> None:
    """one question"""
    question, answer = scene.words(2)
    scene.call(Server(scene, answer).endpoint, question, 1.0, 2)


def fair_weather(scene: Scene) -> None:
    """fair weather"""
    question, word, other = scene.words(3)
    server = Server(scene, word + b"\xff\0", b"", other)
    deadline = scene.random.randrange(12, 18) / 10
    call = Call((server.endpoint, question, deadline, 2))
    here, elsewhere = scene.answer(call, call), scene.answer(call, name="ask elsewhere")
    first, second = here.outcomes(), elsewhere.outcomes()
    outcomes = [*first, *second]
    server.asked(question, tries=6)
    said = [answer for _, answer in server.known.values()]
    for outcome in outcomes:
        _usual(scene, outcome)
        if not outcome.error:
            _is(server, outcome, said)
    values, vain = [o.value for o in outcomes if not o.error], [o for o in outcomes if o.error]
    if vain and values and b"" in said and b"" not in values and not _early(scene, vain[0], deadline):
        raise NotYet(EMPTY, f"One of the server's answers was b'', and your function raised {vain[0].error}.")
    for outcome in vain:
        _in_vain(scene, outcome, said, deadline)
    if first[0].value == first[1].value:
        happened = f"You asked twice for {question!r}; the server heard one number and carried out one question."
        server.blame(SAME, happened, 2)
    if len(set(values)) < len(values):
        server.blame(TWO, "Two programs asked the server, and it took the one's question for the other's.", 3)


def losses(scene: Scene) -> None:
    """a lost request, a lost reply"""
    *questions, one, other = scene.words(4)
    server = Server(scene, one, other)
    wires = [scene.wire(server.endpoint) for _ in questions]
    wires[0].drop("forward", 1)
    wires[1].drop("back", 1)
    deadline = 0.9
    calls = [Call((wire.endpoint, question, deadline, 3)) for wire, question in zip(wires, questions, strict=True)]
    outcomes = scene.answer(*calls).outcomes()
    server.asked(*questions, tries=3)
    for lost, question, outcome, wire in zip(("request", "reply"), questions, outcomes, wires, strict=False):
        events = [e for e in scene.recording.events if e.socket == wire.endpoint and e.detail.startswith("forward")]
        again = events[1].at - events[0].at if len(events) > 1 else deadline
        if events and again > 0.9 * deadline and outcome.errno != zmq.EFSM:
            happened = f"The {lost} was lost, and you did not ask {question!r} a second time before the deadline."
            raise NotYet(ONLY, happened, scene.first("dropped", "wire", 1 + (lost == "reply")))
        _answered(scene, server, outcome, question, deadline)


def late_replies(scene: Scene) -> None:
    """a reply that comes when the next question is under way, and a slow one"""
    *questions, one, other, third = scene.words(6)
    server = Server(scene, one, other, third, late=questions[0])
    wire = scene.wire(server.endpoint)
    wire.delay("back", 1, seconds=SLOW)
    within = scene.random.choice((0.2, 0.25, 0.3)), 1.0, SLOWER
    ends = server.endpoint, server.endpoint, wire.endpoint
    calls = [Call((*args, 1)) for args in zip(ends, questions, within, strict=True)]
    given_up, *rest = outcomes = scene.answer(*calls).outcomes()
    server.asked(*questions, tries=1)
    _gave_up(scene, given_up, within[0])
    for outcome, question, deadline in zip(rest, questions[1:], within[1:], strict=False):
        _answered(scene, server, outcome, question, deadline)
    _closed(outcomes)


def silence(scene: Scene) -> None:
    """a server that never answers, and one that never says a word"""
    [question] = scene.words(1)
    tries, deadline = scene.random.choice((5, 6)), 0.3
    server = Server(scene)
    with Mute() as mute:
        endpoints = server.endpoint, mute.endpoint
        outcomes = scene.answer(*(Call((end, question, deadline, tries)) for end in endpoints)).outcomes()
        server.asked(question, tries=tries)
        if outcomes[0].seconds > deadline + SPARE and len(server.times) > 1:
            alone = server.times[1] - server.times[0]
            if alone > 0.9 * deadline:
                happened = f"The deadline was {deadline:g} s for all tries; the first of them alone took {alone:.1f} s."
                server.blame(WHOLE, happened, 2)
        for outcome in outcomes:
            _gave_up(scene, outcome, deadline)
        _closed(outcomes)
        if mute.holds(SPARE):
            happened = f"{SPARE:g} s after you had given up, a closed socket still held on to deliver {question!r}."
            raise NotYet(BEHIND, happened, scene.first("close", ENTRY, tries + 1))


TRY = alone
SCENES = (fair_weather, late_replies, silence, losses)
