# SPDX-License-Identifier: BSD-3-Clause
"""Ask within one deadline, and never have the same question carried out twice."""

import zmq
from exercises.scene import NotYet, Raised, Scene, unexpected

from exercises.answer import Call, Outcome

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

LABELS = {
    "the question went out without its number": "what does the contract say of the frames that the server gets?",
    "every try had the whole time": "how much of the deadline is left when the second try begins?",
    "the only try had the whole time": "what happens to your question if its first copy is lost?",
    "every try had a number of its own": "what does the server think when it hears a number for the first time?",
    "every question had the same number": "what will the server say to a number that it has heard before?",
    "two programs chose the same number": "who else counts from the same start as you?",
    "the same REQ was asked twice": "what could you do with the socket before you try again?",
    "an old reply was taken for the new answer": "how can you tell which question a reply belongs to?",
    "nothing was returned where an error was due": "how does the caller learn that nobody answered?",
    "it asked more often than it was allowed to": "what counts the tries in your loop?",
    "a socket was left open": "who closes the socket when your function gives up?",
}


def keeper(ctx: zmq.Context, endpoint: str, done: list) -> None:
    """A server that carries out each number once and notes in `done` what it heard."""
    known: dict[bytes, bytes] = {}
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            frames = socket.recv_multipart()
            if len(frames) != 2:
                done.append(("odd", frames))
                socket.send(b"?")
                continue
            number, question = frames
            done.append((number, question))
            answer = known.setdefault(number, question + b" (no. %d)" % len(known))
            socket.send_multipart([number, answer])


def _answered(scene: Scene, outcome: Outcome, done: list, question: bytes) -> None:
    """The rules that hold for every call that ought to succeed."""
    _framed(scene, done)
    if outcome.errno == zmq.EFSM:
        again = scene.first("refused", ENTRY)
        raise NotYet(
            "the same REQ was asked twice",
            "Without a reply you sent again on the socket that still waits for one. A REQ may not send twice in a row.",
            again,
        )
    numbers = {number for number, asked in done if asked == question}
    if outcome.error == "TimeoutError":
        if sum(asked == question for _, asked in done) <= 1:
            raise NotYet(
                "the only try had the whole time",
                "One message was lost, and you asked no second time before the deadline was over.",
                scene.first("wait", ENTRY),
            )
        raise NotYet("", "The server answered, yet your function raised TimeoutError.")
    if outcome.error:
        unexpected(outcome)
    if len(numbers) > 1:
        raise NotYet(
            "every try had a number of its own",
            f"The server heard one question under {len(numbers)} numbers and carried it out as often.",
            scene.first("send", ENTRY, 2),
        )
    if not isinstance(outcome.value, bytes) or not outcome.value.startswith(question):
        if isinstance(outcome.value, bytes) and b" (no." in outcome.value:
            raise NotYet(
                "an old reply was taken for the new answer",
                f"You asked {question!r} and returned {outcome.value!r}, which answers another question.",
                scene.first("receive", ENTRY),
            )
        unexpected(outcome)


def _framed(scene: Scene, done: list) -> None:
    for number, body in done:
        if number == "odd":
            raise NotYet(
                "the question went out without its number",
                f"The server got {len(body)} frame{'s' * (len(body) != 1)} where it expects [number][question].",
                scene.first("send", ENTRY),
            )


def _closed(scene: Scene) -> None:
    if any(outcome.left_open for outcome in scene.outcomes):
        raise NotYet("a socket was left open", "When your function was done, a socket of its Context was still open.")


def alone(scene: Scene) -> None:
    """one question"""
    endpoint, done = scene.stage.endpoint("server"), []
    scene.stage.play(keeper, endpoint, done, name="server")
    scene.call(endpoint, b"tea", 1.0, 2)


def fair_weather(scene: Scene) -> None:
    """fair weather"""
    endpoint, done = scene.stage.endpoint("server"), []
    scene.stage.play(keeper, endpoint, done, name="server")
    first = scene.answer(Call((endpoint, b"tea", 1.0, 2)), Call((endpoint, b"tea", 1.0, 2)))
    second = scene.answer(Call((endpoint, b"milk", 1.0, 2)), name="ask elsewhere")
    teas, milks = first.outcomes(), second.outcomes()
    _framed(scene, done)
    tea, milk = ({number for number, asked in done if asked == wanted} for wanted in (b"tea", b"milk"))
    if len(tea) == 1 and len(teas) == 2:
        raise NotYet(
            "every question had the same number",
            "You asked twice for tea; the server heard one number and carried out one question.",
            scene.first("send", ENTRY, 2),
        )
    if tea & milk:
        raise NotYet(
            "two programs chose the same number",
            "Two programs asked the server, and it took the one's question for the other's.",
            scene.first("send", "ask elsewhere"),
        )
    for outcome in teas:
        _answered(scene, outcome, [], b"tea")
    for outcome in milks:
        _answered(scene, outcome, [], b"milk")


def a_lost_request(scene: Scene) -> None:
    """a lost request"""
    _lossy(scene, "forward")


def a_lost_reply(scene: Scene) -> None:
    """a lost reply"""
    _lossy(scene, "back")


def _lossy(scene: Scene, direction: str) -> None:
    endpoint, done = scene.stage.endpoint("server"), []
    scene.stage.play(keeper, endpoint, done, name="server")
    wire = scene.wire(endpoint)
    wire.drop(direction, 1)
    outcome = scene.call(wire.endpoint, b"tea", 0.9, 3)
    _answered(scene, outcome, done, b"tea")


def a_late_reply(scene: Scene) -> None:
    """a reply that comes when the next question is under way"""
    endpoint, done = scene.stage.endpoint("server"), []
    scene.stage.play(keeper, endpoint, done, name="server")
    wire = scene.wire(endpoint)
    wire.delay("back", 1, until=("forward", 2))  # the first answer comes behind the second question
    answer = scene.answer(Call((wire.endpoint, b"tea", 0.2, 1)), Call((wire.endpoint, b"milk", 2.0, 2)))
    tea, *rest = answer.outcomes()
    if sum(asked == b"tea" for _, asked in done) > 1:
        raise NotYet(
            "it asked more often than it was allowed to",
            "One try was allowed, and the server heard the question more than once.",
            scene.first("send", ENTRY, 2),
        )
    if tea.error != "TimeoutError":
        _framed(scene, done)
        _gave_up(tea)
    for outcome in rest:
        _answered(scene, outcome, done, b"milk")


def silence(scene: Scene) -> None:
    """a server that never answers"""
    endpoint, done = scene.stage.endpoint("server"), []
    scene.stage.play(keeper, endpoint, done, name="server")
    wire = scene.wire(endpoint)
    wire.drop("back", *range(1, 100))
    outcome = scene.call(wire.endpoint, b"tea", 0.4, 4)
    _framed(scene, done)
    if outcome.errno == zmq.EFSM:
        _answered(scene, outcome, done, b"tea")
    _gave_up(outcome)
    if outcome.seconds > 0.9:
        raise NotYet(
            "every try had the whole time",
            f"The deadline was 0.4 s for all tries together; you gave up after {outcome.seconds:.1f} s.",
            scene.first("send", ENTRY, 2),
        )
    if len(done) > 4:
        raise NotYet(
            "it asked more often than it was allowed to",
            f"4 tries were allowed, the server heard {len(done)}.",
            scene.first("send", ENTRY, 5),
        )
    _closed(scene)


def _gave_up(outcome: Outcome) -> None:
    if not outcome.error and outcome.value is None:
        raise NotYet("nothing was returned where an error was due", "Nobody answered, and your function returned None.")
    if "TimeoutError" not in outcome.raised:
        if outcome.error == "Again":
            raise Raised(f"{outcome.error}: {outcome.message}\n{outcome.trace}\nThe contract asks for TimeoutError.")
        unexpected(outcome)


TRY = alone
SCENES = (fair_weather, a_lost_request, a_lost_reply, a_late_reply, silence)
