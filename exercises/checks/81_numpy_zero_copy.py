# SPDX-License-Identifier: BSD-3-Clause
"""Send a film out of a few buffers, each of which is written again as soon as it is free."""

import json
import os
import threading
import time
from typing import Any

import zmq
from exercises.scene import Answer, NotYet, Scene, TookTooLong, unexpected

from exercises.answer import Call, Outcome

ENTRY = "film"


HINTS = (
    "The viewer comes late. Which pictures are then in the queue, and in whose memory do they lie?",
    "Keep for each buffer what tells you whether it is free. Before the camera writes into a buffer, and before you "
    "return, ask that.",
    "`track=True` makes the call that sends return a tracker; `tracker.wait(seconds)` raises zmq.NotDone when that was "
    "not long enough. A list with one place for each buffer is enough to remember them.",
)
VARIANT = "let it drop a picture, and count it, where it would have to wait: a camera does not wait."
LIMIT = (
    "when it has given up, its pictures are still in the closed socket until linger is over, and so are the buffers."
)
WHY = "how many buffers does a film need whose viewer is never more than one picture late?"

LABELS = {
    "a picture was overwritten on its way": "how do you know that what you sent from this buffer has left it?",
    "more pictures were kept than there are buffers": "where in memory is a picture between `send` and its departure?",
    "it waited although a buffer was free": "which picture has to have left before you take this one?",
    "it did not give up after its patience": "which wait of yours has no limit, or a limit in another unit?",
    "it gave up before its patience was over": "in which unit does your wait count, and does it wait at all?",
    "NotDone reached the caller": "which error does the contract promise?",
    "it returned while pictures were on their way": "what will the caller do with the buffers when you return?",
    "the picture came without its header": "how does the viewer know how wide a picture is?",
    "header and picture were two messages": "by which word does a frame say that there is more to come?",
    "the header does not say what the picture is": "what does the viewer need, to make the same array of the bytes?",
    "it bound where it had to connect": "who listens there, and who comes?",
    "a socket was left open": "who closes the socket when TimeoutError goes out?",
}

WHOLE = 3.0  # seconds for a film whose viewer is there
LONG = 10.0  # seconds of patience that no scene needs
FIRST = 2.5  # seconds for the answer to send its first picture
NEXT = 1.2  # seconds for the next one, while a buffer is free
AFTER = 0.3  # seconds in which an answer that does not wait overwrites something
SHORT = 0.2  # seconds of patience where nobody comes
GIVES_UP = 2.0  # seconds in which it has to notice, for two films
LOOK = 0.01  # seconds between two looks
SHAPE = (600, 800)


def _buffers(count: int) -> list[Any]:
    import numpy as np  # the notebook that asks this module's questions need not load it

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads' stacks count as the answer's memory
    return [np.zeros(SHAPE, np.uint8) for _ in range(count)]


def view(ctx: zmq.Context[Any], endpoint: str, count: int) -> list[list[bytes]]:
    """What arrives, up to so many messages, until it has been quiet for a while."""
    with ctx.socket(zmq.PULL) as pull:
        pull.bind(endpoint)
        got: list[list[bytes]] = []
        while len(got) < count and pull.poll(int(WHOLE * 1000) if not got else 600):
            got.append(pull.recv_multipart())
        return got


def _start(scene: Scene, buffers: int, count: int, patience: float) -> Answer:
    return scene.answer(Call((scene.stage.endpoint("viewer"), _buffers(buffers), count, patience)))


def _sent(scene: Scene) -> int:
    """How many messages have left the answer's function, whatever became of them."""
    return sum(e.kind == "send" and e.actor == ENTRY for e in scene.recording.events)


def _reaches(scene: Scene, answer: Answer, count: int, within: float) -> bool:
    """Whether the answer sends so many messages within this time, before it ends."""
    until = time.monotonic() + within
    while _sent(scene) < count and not answer.process.told and time.monotonic() < until:
        if bound := scene.first("bind", ENTRY):
            happened = "Your function bound to the endpoint to which the viewer binds, and nobody connects to it."
            raise NotYet("it bound where it had to connect", happened, bound)
        threading.Event().wait(LOOK)
    return _sent(scene) >= count


def _ended(answer: Answer) -> Outcome | None:
    """What came of the call if it has ended."""
    return answer.outcomes(LOOK)[0] if answer.process.told else None


def _whether_right(outcome: Outcome) -> None:
    """The end of a film that could be sent."""
    if outcome.error:
        unexpected(outcome)
    if outcome.left_open:
        happened = "Your function had returned, and a socket of its Context was still open."
        raise NotYet("a socket was left open", happened)
    if outcome.value is not None:
        unexpected(outcome)


def _compare(scene: Scene, count: int, got: list[list[bytes]]) -> None:
    """Find the words for the difference between the film and what the viewer has seen."""
    for number, frames in enumerate(got):
        event = scene.first("receive", "viewer", number + 1)
        sizes = f"Message {number + 1} came in {len(frames)} frame{'s' * (len(frames) > 1)}, the first of "
        sizes += f"{len(frames[0])} bytes."
        if len(frames) == 1:
            label = "the picture came without its header" if len(frames[0]) == SHAPE[0] * SHAPE[1] else ""
            if _describes(frames[0]) and [len(f) for m in got[number + 1 : number + 2] for f in m] == [
                SHAPE[0] * SHAPE[1]
            ]:
                label = "header and picture were two messages"
            raise NotYet(label, sizes, event)
        if len(frames) != 2 or len(frames[1]) != SHAPE[0] * SHAPE[1]:
            raise NotYet("", sizes, event)
        if not _describes(frames[0]):
            happened = f"The header was {frames[0]!r:.200}, and the picture has bytes (|u1) in the shape {list(SHAPE)}."
            raise NotYet("the header does not say what the picture is", happened, event)
    if len(got) < count:
        raise NotYet("", f"{len(got)} of {count} pictures arrived.")
    shown = [set(picture) for _, picture in got]
    for number, seen in enumerate(shown):
        if seen != {number}:
            what = f"{min(seen)}" if len(seen) == 1 else f"{len(seen)} different numbers"
            happened = f"Picture {number} was to show {number} at every place, and showed {what}."
            later = max(seen) > number and shown[-1] == {count - 1}  # nothing is written over the last one
            label = "a picture was overwritten on its way" if later else ""
            raise NotYet(label, happened, scene.first("receive", "viewer", number + 1))


def _describes(header: bytes) -> bool:
    import numpy as np

    try:
        said = json.loads(header)
        dtype = np.dtype(said["dtype"])
        return dtype == np.uint8 and list(said["shape"]) == list(SHAPE) and said["order"] == "C"
    except (ValueError, TypeError, KeyError):
        return False


def a_short_film(scene: Scene) -> None:
    """a viewer who is there"""
    viewer = scene.stage.play(view, scene.stage.endpoint("viewer"), 2, name="viewer")
    scene.recording.wait("bind", "viewer")
    answer = _start(scene, 2, 2, 5.0)
    answer.outcomes()
    viewer.result(WHOLE)


def a_late_viewer(scene: Scene) -> None:
    """a viewer who comes late, and three buffers"""
    count, buffers = 7, 3
    answer = _start(scene, buffers, count, LONG)
    answer.begun()
    _reaches(scene, answer, 1, FIRST)
    _reaches(scene, answer, buffers, NEXT)
    more = _reaches(scene, answer, buffers + 1, AFTER)
    before = _sent(scene)
    ended = _ended(answer)
    if ended and "TimeoutError" in ended.raised:
        happened = f"`patience` was {LONG:g} s, and your function raised {ended.error} at once."
        raise NotYet("it gave up before its patience was over", happened, scene.first("send", ENTRY, before))
    if ended and ended.error:
        unexpected(ended)
    if not before and not ended:
        raise TookTooLong(answer.stood())
    if before < buffers and not ended:
        happened = f"Nobody was there to view. There were {buffers} buffers, and after picture {before} nothing came."
        raise NotYet("it waited although a buffer was free", happened, scene.first("send", ENTRY, before))
    viewer = scene.stage.play(view, scene.stage.endpoint("viewer"), count, name="viewer")
    _compare(scene, count, viewer.result(WHOLE + 3.0))
    if more:
        happened = f"Nobody was there to view. There were {buffers} buffers, and you sent {before} pictures or more."
        event = scene.first("send", ENTRY, buffers + 1)
        raise NotYet("more pictures were kept than there are buffers", happened, event)
    _whether_right(answer.outcomes(WHOLE)[0])
    if _sent(scene) != count:
        raise NotYet("", f"There were to be {count} pictures, and you sent {_sent(scene)} messages.")


def nobody(scene: Scene) -> None:
    """a viewer who does not come, for a long film and for a short one"""
    counts = 4, 2  # with two buffers: it has to give up before the third picture, and at its end
    buffers = _buffers(2)
    answer = scene.answer(*(Call((scene.stage.endpoint("viewer"), buffers, n, SHORT)) for n in counts))
    try:
        outcomes = answer.outcomes(GIVES_UP)
    except TookTooLong as where:
        happened = f"`patience` was {SHORT:g} s, nobody viewed, and after {GIVES_UP:g} s your function stood {where}."
        raise NotYet("it did not give up after its patience", happened, scene.first("send", ENTRY, 2)) from None
    for count, outcome in zip(counts, outcomes, strict=False):
        if "NotDone" in outcome.raised:
            happened = f"`patience` was {SHORT:g} s, nobody viewed, and your function raised {outcome.error}."
            raise NotYet("NotDone reached the caller", happened, scene.first("send", ENTRY, 2))
        if not outcome.error:
            happened = f"Nobody viewed. There were 2 buffers and {count} pictures, and your function returned."
            label = "it returned while pictures were on their way" if count == 2 else ""
            raise NotYet(label, happened, scene.first("send", ENTRY, 2))
        if "TimeoutError" not in outcome.raised:
            unexpected(outcome)
        if outcome.left_open:
            happened = "Your function had raised TimeoutError, and a socket of its Context was still open."
            raise NotYet("a socket was left open", happened)
    if _sent(scene) != 4:
        raise NotYet("", f"Two films with 2 buffers and no viewer were to send 2 pictures each: 4, not {_sent(scene)}.")


TRY = a_short_film
SCENES = (a_late_viewer, nobody)
