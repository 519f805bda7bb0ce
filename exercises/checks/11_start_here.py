# SPDX-License-Identifier: BSD-3-Clause
"""Take one message as text, wait no longer than you are told to, and leave nothing open."""

import threading

import zmq

from exercises.answer import Call, Outcome
from exercises.judge import NotYet, Scene, TookTooLong, unexpected
from exercises.task import Question

ENTRY = "take"

GIVEN = '''\
import zmq

def take(ctx, endpoint, seconds):
    """Return the text of the first message that arrives at `endpoint`, or None.

    ctx       a zmq.Context; open one PULL socket in it and bind it to `endpoint`
    seconds   how long to wait at most; when nothing has come by then, return None

    The message is one frame of UTF-8 text; return it as str. Close the socket, whatever happens.
    """
    socket = ctx.socket(zmq.PULL)
    socket.bind(endpoint)
    text = socket.recv_string()
    socket.close()
    return text
'''

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

QUESTIONS = {
    "11.1": Question(
        "A socket has been made, and nothing else. Does anything listen on this machine for it?",
        {
            "a": ("Yes: ZeroMQ has a server of its own that runs from now on.", "ZeroMQ is taken for a message broker"),
            "b": ("Yes: a socket listens from the moment it exists.", "a socket is taken for a bound one"),
            "c": ("No: something listens after `bind`, inside this very process.", ""),
        },
        "There is no server beside your program. `bind` opens a TCP port in this process; before it there is none, and "
        "when the socket is closed there is none again.",
    ),
    "11.2": Question(
        "The sender's `send` has returned. What do you know about the message?",
        {
            "a": ("The other program has received it.", "sending is taken for delivering"),
            "b": ("ZeroMQ has taken it over; where it is now, you do not know.", ""),
            "c": ("It has left this machine.", "sending is taken for transmitting"),
        },
        "`send` hands the message to a thread of the Context, which delivers it in the background. It returned at once "
        "although nobody was there to receive.",
    ),
    "11.3": Question(
        "A socket waits with `poll(300)`, and nobody sends. What happens?",
        {
            "a": ("After 0.3 s it returns 0, and the program goes on.", ""),
            "b": ("After 0.3 s it raises an error.", "waiting in vain is taken for an error"),
            "c": ("After 300 s it returns 0.", "milliseconds are taken for seconds"),
        },
        "poll counts in milliseconds, and its return value says whether something has come. Every wait in this "
        "workbook has such a limit: a cell that waits for ever takes the notebook with it.",
    ),
}

_SOLUTION = """\
import zmq

def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        if socket.poll(seconds * 1000):
            return socket.recv_string()
        return None
"""


def _changed(old: str, new: str) -> str:
    if old not in _SOLUTION:
        raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
    return _SOLUTION.replace(old, new)


WRONG = {
    "it waited longer than it was told to": GIVEN + "    # as it was\n",
    "milliseconds were taken for seconds": _changed("seconds * 1000", "seconds"),
    "it did not wait at all": """\
import zmq

def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        try:
            return socket.recv_string(zmq.DONTWAIT)
        except zmq.Again:
            return None
""",
    "bytes came back where text was asked for": _changed("recv_string", "recv"),
    "an error came back where None was due": """\
import zmq

def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.rcvtimeo = int(seconds * 1000)
        socket.bind(endpoint)
        return socket.recv_string()
""",
    "a socket was left open": """\
import zmq

sockets = []

def take(ctx, endpoint, seconds):
    socket = ctx.socket(zmq.PULL)
    sockets.append(socket)
    socket.bind(endpoint)
    if not socket.poll(seconds * 1000):
        return None
    text = socket.recv_string()
    socket.close()
    return text
""",
    "it connected where it had to bind": _changed("bind", "connect"),
    "poll's answer was taken for the message": """\
import zmq

def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        return bool(socket.poll(seconds * 1000))
""",
}

RIGHT = {
    "a time limit on the socket": """\
import zmq

def take(ctx, endpoint, seconds):
    socket = ctx.socket(zmq.PULL)
    try:
        socket.setsockopt(zmq.RCVTIMEO, round(seconds * 1000))
        socket.bind(endpoint)
        return socket.recv().decode()
    except zmq.Again:
        return None
    finally:
        socket.close(linger=0)
""",
    "a poller": """\
import math, zmq

def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        poller = zmq.Poller()
        poller.register(socket, zmq.POLLIN)
        socket.bind(endpoint)
        ready = dict(poller.poll(math.ceil(1000 * seconds)))
        return str(socket.recv(), "utf-8") if socket in ready else None
""",
}
