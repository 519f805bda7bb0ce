# SPDX-License-Identifier: BSD-3-Clause
"""Take one message as text, wait no longer than you are told to, and leave nothing open."""

import threading

import zmq
from exercises.scene import NotYet, Scene, TookTooLong, unexpected

from exercises.answer import Call, Outcome

ENTRY = "take"


HINTS = (
    "What does your function do when nobody ever sends? Which of its lines is it that does not return?",
    "Ask first whether a message has come, with a limit; receive only if one has. And let the socket close itself.",
    "`socket.poll` takes milliseconds and says 0 when nothing came; `with ctx.socket(...) as socket:` closes it.",
)
VARIANT = "take two messages, with one limit for both together."
LIMIT = "a message that arrives after the limit is lost with the socket, and its sender does not learn of it."
WHY = "what would happen if the message came between the end of the wait and the closing of the socket?"

LABELS = {
    "it waited longer than it was told to": "which call returns although no message has come?",
    "milliseconds were taken for seconds": "in which unit does that call count?",
    "it did not wait at all": "what if the message comes a little later than you?",
    "bytes came back where text was asked for": "what turns the frame into str?",
    "an error came back where None was due": "what does a socket raise when its time is over?",
    "a socket was left open": "who closes the socket on the way out?",
    "it connected where it had to bind": "who listens at the endpoint when both sides connect?",
    "poll's answer was taken for the message": "what does poll return, and what does recv?",
}

TEXT = "héllo"


def sender(ctx: zmq.Context, endpoint: str, late: bool, scene: Scene) -> None:
    """Send one message; if late, a quarter of a second after the answer has bound its socket."""
    if late:
        scene.recording.wait("bind", ENTRY, timeout=3.0)
        threading.Event().wait(0.25)
    with ctx.socket(zmq.PUSH) as socket:
        socket.connect(endpoint)
        socket.send_string(TEXT)
        scene.recording.wait("close", ENTRY, timeout=5.0)


def _outcomes(scene: Scene, call: Call, deadline: float = 3.0) -> list[Outcome]:
    answer = scene.answer(call)
    try:
        return answer.outcomes(deadline)
    except TookTooLong as where:
        if not scene.first("bind", ENTRY) and (event := scene.first("connect", ENTRY)):
            raise NotYet(
                "it connected where it had to bind", "Both sides connected, and nobody listened.", event
            ) from None
        raise NotYet(
            "it waited longer than it was told to",
            f"Nothing came for {call.args[1]:g} s, and after {deadline:g} s your function still stood {where}.",
        ) from None


def _none(scene: Scene, happened: str) -> None:
    if not scene.first("bind", ENTRY) and (event := scene.first("connect", ENTRY)):
        raise NotYet("it connected where it had to bind", "Both sides connected, and nobody listened.", event)
    if event := scene.first("wait", ENTRY):
        raise NotYet("milliseconds were taken for seconds", happened, event)
    raise NotYet("it did not wait at all", happened)


def _text(scene: Scene, outcome: Outcome) -> None:
    if outcome.error == "Again":
        _none(scene, "A message was on its way, and your function raised zmq.Again.")
    if outcome.error:
        unexpected(outcome)
    if outcome.value is None:
        _none(scene, f"A message was on its way, and you returned None after {outcome.seconds:.2f} s of 2 s.")
    if isinstance(outcome.value, bytes):
        raise NotYet(
            "bytes came back where text was asked for",
            f"You returned {outcome.value!r}, which is bytes.",
            scene.first("receive", ENTRY),
        )
    if isinstance(outcome.value, (bool, int)):
        raise NotYet(
            "poll's answer was taken for the message", f"You returned {outcome.value!r} where {TEXT!r} had come."
        )
    if outcome.value != TEXT:
        unexpected(outcome)


def a_message(scene: Scene) -> None:
    """a message"""
    endpoint = scene.stage.endpoint("door")
    scene.stage.play(sender, endpoint, False, scene)
    _text(scene, _outcomes(scene, Call((endpoint, 2.0)))[0])


def a_late_message(scene: Scene) -> None:
    """a message that comes later"""
    endpoint = scene.stage.endpoint("door")
    scene.stage.play(sender, endpoint, True, scene)
    _text(scene, _outcomes(scene, Call((endpoint, 2.0)))[0])


def silence(scene: Scene) -> None:
    """silence"""
    for outcome in _outcomes(scene, Call((scene.stage.endpoint("door"), 0.3)), 1.6):
        if outcome.error == "Again":
            raise NotYet("an error came back where None was due", "Nothing came, and your function raised zmq.Again.")
        if outcome.error:
            unexpected(outcome)
        if outcome.value in (0, False) and outcome.value is not None:
            raise NotYet(
                "poll's answer was taken for the message", f"You returned {outcome.value!r} where None was due."
            )
        if outcome.value is not None:
            unexpected(outcome)
        if outcome.seconds < 0.25:
            _none(scene, f"You waited {outcome.seconds:.2f} s where 0.3 s were given.")
        if outcome.left_open:
            raise NotYet(
                "a socket was left open", "Nothing came; you returned None, and your socket was still open.",
                scene.first("bind", ENTRY),
            )  # fmt: skip


TRY = a_message
SCENES = (a_message, a_late_message, silence)
