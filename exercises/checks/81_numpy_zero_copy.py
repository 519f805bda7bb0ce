# SPDX-License-Identifier: BSD-3-Clause
"""Send a film out of a few buffers, each of which is written again as soon as it is free."""

import json
import mmap
import threading
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import zmq

from diagrams.recording import Event
from exercises.answer import Call, Outcome
from exercises.scene import NotYet, Scene, TookTooLong, unexpected

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

OVERWRITTEN = "a picture was overwritten on its way"
COPIED = "a copy was sent, not the buffer's own memory"
WAITED = "it waited although a buffer was free"
FOR_EVER = "it did not give up after its patience"
HASTY = "it gave up before its patience was over"
WHOLE_FILM = "one patience was spent on the whole film"
NOT_DONE = "NotDone reached the caller"
EARLY = "it returned while pictures were on their way"
NUMBER = "a picture did not show its number"
ORDER = "the pictures came in another order"
COUNT = "the viewer did not get as many pictures as the film has"
BARE = "the picture came without its header"
APART = "header and picture were two messages"
FRAMES = "a message was not one header and one picture"
HEADER = "the header does not say what the picture is"
BOUND = "it bound where it had to connect"
OPEN = "a socket was left open"
RESULT = "something was returned"

LABELS = {
    OVERWRITTEN: "how do you know that what you sent from this buffer has left it?",
    COPIED: "where in memory is a picture between `send` and its departure?",
    WAITED: "what must be true before the camera may write, and of which buffer?",
    FOR_EVER: "which wait of yours has no limit, or a limit in another unit?",
    HASTY: "in which unit does your wait count, and does it wait at all?",
    WHOLE_FILM: "from when on do you count, and for what?",
    NOT_DONE: "which error does the contract promise?",
    EARLY: "what will the caller do with the buffers when you return?",
    NUMBER: "what does the camera write, and what is the number of the first picture?",
    ORDER: "what keeps two pictures in their order?",
    COUNT: "what becomes of a picture while nobody is there, and how many do you send?",
    BARE: "how does the viewer know how wide a picture is?",
    APART: "by which word does a frame say that there is more to come?",
    FRAMES: "which frames does the viewer expect?",
    HEADER: "what does the viewer need, to make the same array of the bytes?",
    BOUND: "who listens there, and who comes?",
    OPEN: "who closes the socket, whichever way your function ends?",
    RESULT: "what does the contract say that comes back?",
}

LONG = 10.0  # seconds of patience that no scene needs
FIRST = 3.0  # seconds for the answer to take its first picture
NEXT = 1.2  # seconds for the next ones, while buffers are free
AFTER = 0.3  # seconds in which an answer that does not wait writes over a picture
WHOLE = 3.0  # seconds for all to arrive once the viewer is there
GIVES_UP = 2.5  # seconds in which it has to notice twice that nobody comes
EARLIEST, LATEST = 0.95, 1.8  # times the patience, between which it has to give up
PACE = 0.08  # seconds that a slow viewer takes for a picture
UNWRITTEN = 255  # what a buffer shows before the camera has written into it
BYTES = ("|u1", "<u1", ">u1", "=u1", "u1", "uint8", "ubyte", "B")  # names of one kind


class Buffer:
    """Memory of a file: the checker reads and writes in what the answer's process has as an array."""

    def __init__(self, path: str, shape: tuple[int, int]) -> None:
        self.path, self.shape = path, shape
        with open(path, "w+b") as file:
            file.write(bytes([UNWRITTEN]) * (shape[0] * shape[1]))
            file.flush()
            self.memory = mmap.mmap(file.fileno(), 0)

    def __reduce__(self) -> tuple[Any, ...]:
        return _array, (self.path, self.shape)

    def shows(self) -> int:
        """The number that stands at every place; UNWRITTEN while there are several."""
        first: int = self.memory[0]
        return first if self.memory[:] == bytes([first]) * len(self.memory) else UNWRITTEN


def _array(path: str, shape: tuple[int, int]) -> Any:
    import numpy as np  # the notebook that asks this module's questions need not load it

    return np.asarray(np.memmap(path, np.uint8, "r+", 0, shape))


class Film:
    """The answer at work on its buffers, and a viewer. It makes a film of each of these numbers of pictures.

    got   the messages that the viewer has received
    slow  the longest that it was between two of them, or from before there was a viewer to the first
    """

    def __init__(self, scene: Scene, buffers: int, counts: Sequence[int], patience: float) -> None:
        self.scene, self.count, self.patience = scene, counts[0], patience
        self.endpoint = scene.stage.endpoint("viewer")
        self.shape = scene.random.randrange(500, 700), scene.random.randrange(700, 900)
        folder = scene.stage.endpoint("buffers").removeprefix("ipc://")
        self.buffers = [Buffer(f"{folder}-{number}", self.shape) for number in range(buffers)]
        self.got: list[list[bytes]] = []
        self.slow, self._seen, self._viewed = 0.0, 0.0, False
        calls = [Call((self.endpoint, self.buffers, count, patience)) for count in counts]
        self.answer = scene.answer(*calls)

    def view(self, pace: float = 0.0) -> None:
        """Let the viewer come, who takes a picture, and then so many seconds for it."""

        def viewer(ctx: zmq.Context[Any]) -> None:
            with ctx.socket(zmq.PULL) as pull:
                pull.rcvhwm = 1
                pull.bind(self.endpoint)
                while zmq.select([pull], [], [], WHOLE)[0]:
                    self.got.append(pull.recv_multipart())
                    self.slow, self._seen = max(self.slow, time.monotonic() - self._seen), time.monotonic()
                    threading.Event().wait(pace)

        self._viewed = True
        self.scene.stage.play(viewer)

    def newest(self) -> int:
        """The number of the newest picture that the camera has taken; -1 for none."""
        return max((shown for buffer in self.buffers if (shown := buffer.shows()) != UNWRITTEN), default=-1)

    def taken(self, newest: int, seconds: float) -> bool:
        """Whether the camera takes this picture within this time."""
        return self.answer.until(lambda: self.newest() >= newest, seconds, self.look)

    def look(self) -> None:
        if event := self.scene.joined("bind", self.endpoint):
            happened = "Your function bound to the endpoint to which the viewer binds, and nobody connects to it."
            raise NotYet(BOUND, happened, event)
        if not self._viewed:
            self._seen = time.monotonic()

    def sent(self, number: int) -> Event | None:
        """Where the answer sent this picture, from 0 on."""
        return self.scene.first("send", ENTRY, max(number, 0) + 1)

    def blame(self, label: str, happened: str, number: int) -> NoReturn:
        """The verdict on what arrived as picture of this number."""
        raise NotYet(label, happened, self.scene.first("receive", "viewer", number + 1))

    def finish(self) -> Outcome:
        """What came of the call, when the whole film has arrived."""
        told = self.answer.process
        self.answer.until(lambda: told.told and len(self.got) >= self.count, WHOLE, self.look, after=0.5)
        self._framed()
        outcome = self.answer.ended()
        if outcome and outcome.error and "TimeoutError" not in outcome.raised:
            _failed(outcome, self.patience, self.sent(self.newest()))
        return outcome or Outcome()

    def _framed(self) -> None:
        size = self.shape[0] * self.shape[1]
        for number, frames in enumerate(self.got):
            sizes = " and ".join(f"{len(frame)}" for frame in frames)
            happened = f"Message {number + 1} had {len(frames)} frame{'s' * (len(frames) > 1)}, of {sizes} bytes."
            if len(frames) == 1 and len(frames[0]) == size:
                self.blame(BARE, happened, number)
            if len(frames) == 1 and [[len(f) for f in m] for m in self.got[number + 1 : number + 2]] == [[size]]:
                self.blame(APART, f"{happened} The next one was a picture.", number)
            if len(frames) != 2 or len(frames[1]) != size:
                self.blame(FRAMES, happened, number)
            if not _describes(frames[0], self.shape):
                happened = f"The header was {frames[0]!r:.200}; the picture has bytes (|u1) in the shape "
                self.blame(HEADER, f"{happened}{list(self.shape)}, in the order C.", number)

    def whole(self) -> None:
        """The viewer must have seen every picture, each showing its own number, and no further one."""
        shown = [set(picture) for _, picture in self.got]
        due = [{number} for number in range(self.count)]
        if shown == due and self.newest() < self.count:
            return
        if len(shown) == self.count and sorted(map(sorted, shown)) == sorted(map(sorted, due)):
            number = next(n for n, seen in enumerate(shown) if seen != {n})
            self.blame(ORDER, f"Where picture {number} was due, {max(shown[number])} came.", number)
        if len(shown) == self.count and all(len(seen) == 1 for seen in shown) and shown[-1] != due[-1]:
            self.blame(NUMBER, f"Picture {self.count - 1}, the last, showed {max(shown[-1])}.", self.count - 1)
        for number, seen in enumerate(shown):
            if seen != {number} and max(seen) > number:  # of a picture that was taken later
                what = f"{max(seen)}" if len(seen) == 1 else f"{len(seen)} different numbers"
                happened = f"Picture {number} was to show {number} at every place, and showed {what}."
                self.blame(OVERWRITTEN, happened, number)
        if self.newest() >= self.count:
            raise NotYet(COUNT, f"The film was to have {self.count} pictures, and the camera took number {self.count}.")
        stood = "" if self.answer.process.told else f" Your function stood {self.answer.stood()}."
        happened = f"The viewer was there and got {len(shown)} of {self.count} pictures.{stood}"
        raise NotYet(COUNT, happened, self.sent(len(shown)))


def _describes(header: bytes, shape: tuple[int, int]) -> bool:
    try:
        said = json.loads(header)
        return said["dtype"] in BYTES and said["shape"] == list(shape) and said["order"] == "C"
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _failed(outcome: Outcome, patience: float, event: Event | None) -> NoReturn:
    if "NotDone" in outcome.raised:
        raise NotYet(NOT_DONE, f"`patience` was {patience:g} s, and your function raised {outcome.error}.", event)
    unexpected(outcome)


def a_short_film(scene: Scene) -> None:
    """a viewer who is there"""
    film = Film(scene, 2, [2], 5.0)
    film.view()
    film.finish()
    film.answer.outcomes()


def a_late_viewer(scene: Scene) -> None:
    """a viewer who comes late, and three buffers"""
    film = Film(scene, 3, [7], LONG)
    film.taken(0, FIRST)
    if not film.taken(2, NEXT):
        newest, outcome = film.newest(), film.answer.ended()
        if outcome and "TimeoutError" in outcome.raised:
            happened = f"`patience` was {LONG:g} s, and your function raised {outcome.error} after "
            raise NotYet(HASTY, f"{happened}{outcome.seconds:.2f} s.", film.sent(newest))
        if outcome and outcome.error:
            _failed(outcome, LONG, film.sent(newest))
        if outcome:
            happened = f"The film was to have 7 pictures. The camera took {newest + 1}, and your function returned."
            raise NotYet(COUNT, happened)
        if newest < 0:
            _unwritten(film)
        happened = f"Nobody was there to view. There were 3 buffers, and after picture {newest} nothing was written: "
        raise NotYet(WAITED, f"{happened}your function stood {film.answer.stood()}.", film.sent(newest))
    over = film.taken(3, AFTER)
    marks = {buffer.shows(): scene.random.randrange(100, UNWRITTEN) for buffer in film.buffers}
    for buffer in film.buffers if not over else ():
        buffer.memory[-1] = marks[buffer.shows()]
    film.view()
    outcome = film.finish()
    if over and [set(picture) for _, picture in film.got] == [{number} for number in range(film.count)]:
        happened = "Nobody was there to view. There were 3 buffers, and you wrote a fourth picture into them; all came."
        raise NotYet(COPIED, happened, film.sent(3))
    for number, (_, picture) in enumerate(film.got):
        mark = marks.get(picture[0])
        if mark is not None and not over and set(picture[:-1]) == {picture[0]}:
            if picture[-1] != mark:
                happened = f"Picture {picture[0]} was still in the queue when its buffer was changed at one place, to "
                film.blame(COPIED, f"{happened}{mark}; it came without that.", number)
            film.got[number][1] = picture[:-1]
    if outcome.error:
        happened = f"`patience` was {LONG:g} s, and your function raised {outcome.error} after {outcome.seconds:.2f} s."
        raise NotYet(HASTY, happened, film.sent(film.newest()))
    film.whole()
    if not film.answer.process.told:
        raise TookTooLong(film.answer.stood())
    if outcome.left_open:
        raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")
    if outcome.value is not None:
        raise NotYet(RESULT, f"Your function returned {outcome.value!r:.100}.")


def _unwritten(film: Film) -> NoReturn:
    """No picture stands in a buffer."""
    film.view()
    film.finish()
    if film.got:
        raise NotYet(COPIED, f"{len(film.got)} pictures came, and none was ever written into one of the buffers.")
    raise TookTooLong(film.answer.stood())


def nobody(scene: Scene) -> None:
    """a viewer who does not come, for a long film and for a short one"""
    patience = round(scene.random.uniform(0.3, 0.4), 3)
    counts = 4, 2  # with two buffers: it has to give up before the third picture, and at its end
    film = Film(scene, 2, counts, patience)
    said = f"`patience` was {patience:g} s, nobody viewed, and"
    try:
        outcomes = film.answer.outcomes(GIVES_UP)
    except TookTooLong as where:
        raise NotYet(FOR_EVER, f"{said} after {GIVES_UP:g} s your function stood {where}.", film.sent(1)) from None
    for count, outcome in zip(counts, outcomes, strict=False):
        if not outcome.error:
            happened = f"Nobody viewed. There were 2 buffers and {count} pictures, and your function returned."
            raise NotYet(EARLY, happened, film.sent(1))
        if "TimeoutError" not in outcome.raised:
            _failed(outcome, patience, film.sent(1))
        if outcome.seconds < EARLIEST * patience:
            happened = f"{said} your function raised TimeoutError after {outcome.seconds:.3f} s."
            raise NotYet(HASTY, happened, film.sent(1))
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had raised TimeoutError, and a socket of its Context was still open.")
    if (quickest := min(outcome.seconds for outcome in outcomes)) > LATEST * patience:
        raise NotYet(FOR_EVER, f"{said} your function raised TimeoutError after {quickest:.2f} s.", film.sent(1))


def a_slow_viewer(scene: Scene) -> None:
    """a slow viewer, and a film longer than one patience"""
    film = Film(scene, 2, [16], round(scene.random.uniform(0.6, 0.7), 3))
    film.taken(1, FIRST)
    film.view(PACE)
    outcome = film.finish()
    if outcome.error:
        if film.slow > EARLIEST * film.patience:
            return  # of this machine, not of the answer
        happened = (
            f"`patience` was {film.patience:g} s, and never passed more than {film.slow:.2f} s without a picture "
        )
        happened += f"arriving. Your function raised {outcome.error} after {outcome.seconds:.2f} s."
        raise NotYet(WHOLE_FILM if outcome.seconds > EARLIEST * film.patience else HASTY, happened)
    film.whole()


TRY = a_short_film
SCENES = (a_late_viewer, nobody, a_slow_viewer)
