# SPDX-License-Identifier: BSD-3-Clause
"""Answer every request, also those that cannot be served, and go on."""

from typing import NoReturn

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from exercises.answer import Call, Outcome

ENTRY = "server"


HINTS = (
    "What does the client hear if `work` raises? And what does the next client hear?",
    "Between `recv` and the next `recv` a REP must send, once, on every way through your loop. Which lines may fail, "
    "and which of them belong inside a `try`?",
    "`except ValueError as error` around the call of `work` alone; `str(error).encode()` makes a frame of its text.",
)
VARIANT = "let the reply to a request that failed say what kind of error it was, in a frame of its own."
LIMIT = "if the server dies between recv and send, that request remains without a reply."
WHY = "which line of yours guarantees that exactly one reply goes out on every way through the loop?"

LABELS = {
    "one bad request ended the server": "which line raised, and who was there to catch it?",
    "it received again before it had replied": "what does a REP have to do between two receives?",
    "it replied twice to one request": "which of your sends runs after the other?",
    "the reply's two frames went out as one": "how does a message of several frames leave a socket?",
    "str was sent where bytes go": "what turns the error's text into bytes?",
    "it stopped after the first request": "who waits for the second?",
    "it connected where it had to bind": "who listens at the endpoint when clients and server both connect?",
    "the end was taken for an error": "which exceptions does your `except` catch, beside the one you mean?",
    "the reply said OK to a request that failed": "how can the client tell a result from an error?",
}


def shout(request: bytes) -> bytes:
    """What the checker's server is asked to do: capitals, for text only."""
    text = request.decode()
    if not text.isalpha():
        raise ValueError(f"not a word: {text}")
    return text.upper().encode()


def asker(ctx: zmq.Context, endpoint: str, request: bytes) -> list[bytes]:
    """A client that asks once and waits as long as the checker lets it."""
    with ctx.socket(zmq.REQ) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        socket.send(request)
        return socket.recv_multipart()


def _ask(scene: Scene, answer: Answer, endpoint: str, name: str, *requests: bytes) -> None:
    """Let a client ask; blame the server for whatever it hears instead of the right replies."""
    for number, request in enumerate(requests, 1):
        peer = scene.stage.play(asker, endpoint, request, name=f"client {name}{number}")
        try:
            reply = scene.wait(peer, answer, 2.0)
        except TookTooLong:
            _silent(scene, answer, request)
        else:
            _right(scene, request, reply)


def _right(scene: Scene, request: bytes, reply: list[bytes]) -> None:
    good = request.isalpha()
    wanted = [b"OK", request.upper()] if good else [b"ERROR", b"not a word: " + request]
    if reply == wanted:
        return
    event = scene.first("send", ENTRY)
    if len(reply) == 1:
        raise NotYet("the reply's two frames went out as one", f"The reply to {request!r} was {reply!r}.", event)
    if not good and reply[0] == b"OK":
        happened = f"`work` raised for {request!r}, and the client heard {reply!r}."
        raise NotYet("the reply said OK to a request that failed", happened, event)
    raise NotYet("", f"The reply to {request!r} was {reply!r} where {wanted!r} was due.", event)


def _silent(scene: Scene, answer: Answer, request: bytes) -> NoReturn:
    """Nobody replied: find out why."""
    kinds = {e.kind for e in scene.recording.events if e.actor == ENTRY}
    if "bind" not in kinds and "connect" in kinds:
        raise NotYet(
            "it connected where it had to bind",
            "Client and server both connected, and nobody listened.",
            scene.first("connect", ENTRY),
        )
    outcome = _ended(answer)
    if outcome is None:
        where = answer.stood()
        raise TookTooLong(f"{where}, with the request {request!r} unanswered")
    happened = f"After {request!r} no reply came, and your server had ended: {outcome.error} {outcome.message}".rstrip()
    if outcome.errno == zmq.EFSM:
        if refused := scene.first("refused", ENTRY):
            raise NotYet("it replied twice to one request", happened, refused)
        raise NotYet("it received again before it had replied", happened, scene.first("barred", ENTRY))
    if outcome.error == "ValueError":
        raise NotYet("one bad request ended the server", happened)
    if outcome.error == "TypeError" and ("unicode" in outcome.message or "buffer interface" in outcome.message):
        raise NotYet("str was sent where bytes go", happened)
    if not outcome.error:
        raise NotYet("it stopped after the first request", happened, scene.first("send", ENTRY))
    unexpected(outcome)


def _ended(answer: Answer) -> Outcome | None:
    try:
        return answer.outcomes(0.1)[0]
    except TookTooLong:
        return None


def _start(scene: Scene) -> tuple[Answer, str]:
    endpoint = scene.stage.endpoint("server")
    return scene.answer(Call((endpoint, shout))), endpoint


def two_clients_in_turn(scene: Scene) -> None:
    """two clients in turn"""
    answer, endpoint = _start(scene)
    _ask(scene, answer, endpoint, "A", b"hello", b"world")
    _ask(scene, answer, endpoint, "B", b"hello", b"world")


def a_request_that_cannot_be_served(scene: Scene) -> None:
    """requests that cannot be served"""
    answer, endpoint = _start(scene)
    _ask(scene, answer, endpoint, "A", b"12", b"hello", b"34", b"56", b"world")
    _ask(scene, answer, endpoint, "B", b"hello")


def the_end(scene: Scene) -> None:
    """the end of its Context"""
    answer, endpoint = _start(scene)
    _ask(scene, answer, endpoint, "A", b"hello")
    try:
        outcome = answer.ends()[0]
    except TookTooLong as where:
        raise NotYet(
            "the end was taken for an error",
            f"Its Context was terminated, and 1.5 s later your server still ran, {where}.",
        ) from None
    if outcome.error and "ContextTerminated" not in outcome.raised:
        unexpected(outcome)


TRY = two_clients_in_turn
SCENES = (two_clients_in_turn, a_request_that_cannot_be_served, the_end)
