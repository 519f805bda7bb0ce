# SPDX-License-Identifier: BSD-3-Clause
"""One trial of an answer: what the author of a check works with.

    def a_lost_reply(scene):                      # its docstring says what an answer survives in it
        scene.stage.play(server, endpoint)        # peers are the check's own, threads of this process
        wire = scene.wire(endpoint)               # a cable to break
        outcome = scene.call(wire.endpoint, 0.5)  # the learner's function, in a process of its own
        raise NotYet("the same REQ was asked twice", "what was observed", event)

What the peers and the wire saw decides; what an answer says of itself only illustrates. Texts, names and numbers come
from `scene.random`, which differs from run to run, so that nothing passes that knows them beforehand.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NoReturn, Self

import zmq

from diagrams import trace
from diagrams.recording import Event, Recording
from diagrams.wire import Wire
from patterns.process import Process
from patterns.stage import Actor, Stage

from .answer import BEGINS, ENDS, OWN, Call, Outcome, lines, perform

DEADLINE = 4.0  # seconds an answer has for its calls in one scene
SCENE = 6.0  # seconds for all that a scene asks of an answer
START = 2.0  # seconds before that in which a busy machine may start its process
GRACE = 0.2  # seconds that a peer still listens when the answer has ended
LOOK = 0.01  # seconds between two looks
CLOCKS = 0.2  # seconds that an answer's clock and the judge's may differ
MOST = 2000  # events that a scene keeps
ELSEWHERE = "the sockets were opened in another Context"
IDEAS = {ELSEWHERE: "which Context is your function given, and what has its caller set on it?"}  # of every exercise
WORDS = """apple barley basil beans beet bread butter carrot celery cherry clove cocoa corn cream cumin curry dates
dill endive fennel figs flour garlic ginger grapes hazel honey kale leek lemon lentil lime lychee mango
maple melon mint mocha nutmeg oats olive onion orange papaya peach pear pepper plum pumpkin quince radish
raisin rice sage salad salt sesame soup sugar syrup thyme toast tomato turnip vanilla walnut yeast"""


class NotYet(Exception):
    """The answer has a misconception: its label, what was observed, and the event at which it showed."""

    def __init__(self, label: str, happened: str, event: Event | None = None) -> None:
        super().__init__(label)
        self.label, self.happened, self.event = label, happened, event


class Raised(Exception):
    """The answer raised something that its contract does not know, or its process ended."""


class TookTooLong(Exception):
    """The answer had not returned within its deadline."""


class Observed(Recording):
    """A recording that is not flooded, and whose waits end with their scene, as those on its sockets do.

    calls  when it became known that an answer's calls begin and end: (BEGINS or ENDS, time.monotonic()) by its `dump`
    """

    over = False

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, list[tuple[str, float]]] = {}

    def add(self, event: Event) -> None:
        if event.kind in (BEGINS, ENDS):
            known = self.calls.setdefault(event.actor, [])
            known[MOST:] = []
            known.append((event.kind, time.monotonic()))
        elif len(self) < MOST:
            super().add(event)

    def wait(self, kind: Any, actor: str | None = None, *, timeout: float = 5.0, **more: Any) -> None:
        until = time.monotonic() + timeout
        while True:
            try:
                return super().wait(kind, actor, timeout=min(0.05, max(0.0, until - time.monotonic())), **more)
            except TimeoutError:
                if self.over:
                    raise zmq.ContextTerminated() from None
                if time.monotonic() >= until:
                    raise


class Scene:
    """One trial of an answer: a stage with a recording, an answer to call, and wires to break."""

    def __init__(self, source: str, entry: str, folder: Path, seed: object = 0) -> None:
        self.random = random.Random(f"{seed}")
        self.recording = Observed()
        self.stage = Stage(trace.Context(self.recording))
        self.outcomes: list[Outcome] = []
        self.calls: list[tuple[Call, Outcome]] = []
        self.printed = ""
        self._source, self._entry, self._folder = source, entry, folder
        self._wires = contextlib.ExitStack()
        self._answers: list[Answer] = []
        self._over = False
        self.seconds = 0.0  # how long its answers were at work
        self._began = float("inf")

    def words(self, count: int) -> list[bytes]:
        """So many different words, drawn for this run."""
        return [word.encode() for word in self.random.sample(WORDS.split(), count)]

    @property
    def elsewhere(self) -> bool:
        """Whether an answer opened a socket in another Context than the one it was given."""
        return any(os.path.exists(answer.dump + OWN) for answer in self._answers)

    def wire(self, endpoint: str) -> Wire:
        """A wire to this endpoint, recorded, closed with the scene."""
        return self._wires.enter_context(Wire(endpoint, recording=self.recording))

    def answer(self, *calls: Call, name: str = "") -> Answer:
        """Start the learner's function in a process of its own; it makes these calls in turn."""
        dump = str(self._folder / f"{id(self)}-{len(self._answers)}")
        process = self.stage.spawn(perform, self._source, self._entry, calls, dump, name=name or self._entry)
        process.loads = lambda packed: _outcomes(packed, len(calls))
        answer = Answer(process, self, dump, calls)
        self._answers.append(answer)
        if self._over:
            process.force()
        return answer

    def call(self, *args: Any, **options: Any) -> Outcome:
        """Call the learner's function once and return what came of it."""
        return self.answer(Call(args, options)).outcomes()[0]

    def wait(self, peer: Actor, answer: Answer, deadline: float = DEADLINE) -> Any:
        """A peer's result. Soon after the answer has ended, or once nobody asks any more, it is TookTooLong."""
        answer.begun()
        until = time.monotonic() + self.within(deadline)
        while time.monotonic() < until and not self._over:
            with contextlib.suppress(TimeoutError):
                return peer.result(0.02)
            if answer.process.told:
                until = min(until, time.monotonic() + GRACE)
        raise TookTooLong("and its peer had nothing to hear")

    def begin(self) -> None:
        """An answer is at work: what the scene asks of it has to be over within SCENE seconds."""
        self._began = min(self._began, time.monotonic())

    def within(self, deadline: float) -> float:
        """The deadline, or what is left of the scene's time if that is less."""
        return max(0.0, min(deadline, self._began + SCENE - time.monotonic()))

    def first(self, kind: str, actor: str, count: int = 1) -> Event | None:
        """The count-th event of this kind by this actor, to point at in a verdict."""
        found = [e for e in self.recording.events if e.kind == kind and e.actor == actor]
        return found[count - 1] if len(found) >= count else None

    def joined(self, how: str, *endpoints: str) -> Event | None:
        """Where an answer's trace binds or connects a socket to one of these endpoints."""
        actors = [answer.process.name for answer in self._answers]
        events = (e for e in self.recording.events if e.kind == how and e.detail in endpoints)
        return next((e for e in events if e.actor in actors), None)

    def received(self, kind: str) -> list[Event]:
        """What sockets of this type ("XPUB") of an answer's have received, as its trace tells."""
        actors = [answer.process.name for answer in self._answers]
        events = [e for e in self.recording.events if e.kind == "receive" and e.actor in actors]
        return [e for e in events if e.socket.split()[0] == kind]

    def heard(self, kind: str, actor: str) -> list[bytes]:
        """The first frame of each message that sockets of this type of an answer's have received before it sent any."""
        first = self.first("send", actor)
        events = [e for e in self.received(kind) if first is None or e.at < first.at]
        return [e.frames[0] for e in events if isinstance(e.frames[0], bytes)]

    def abandon(self) -> None:
        """Stop the answers here, whatever they are doing."""
        self._over = True
        for answer in self._answers:
            answer.process.force()

    def stop(self) -> None:
        """Stop the answers and the waits of their peers, and keep what was printed."""
        self.seconds = max(0.0, time.monotonic() - self._began)
        self.abandon()  # an answer has said what it had to say, and need not end well
        self.recording.over = True
        self.printed = "\n".join(a.process.said for a in self._answers if a.process.said)

    def end(self) -> None:
        """End the peers. Raises what went wrong with them."""
        try:
            self._wires.close()
        finally:
            self.stage.close()


class Mute:
    """A port that takes connections and never says a word: no message ever leaves for it. Used in a `with`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0)
        self.endpoint = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()

    def holds(self, seconds: float) -> bool:
        """Whether any of the connections that were made is still up after so many seconds."""
        until = time.monotonic() + seconds
        with contextlib.ExitStack() as stack:
            peers = list[socket.socket]()
            with contextlib.suppress(BlockingIOError):
                while True:
                    peers.append(stack.enter_context(self._listener.accept()[0]))
            return not all(_hung_up(peer, until) for peer in peers)


def _hung_up(peer: socket.socket, until: float) -> bool:
    try:
        while True:
            peer.settimeout(max(0.001, until - time.monotonic()))
            if not peer.recv(1024):
                return True
    except ConnectionError:
        return True
    except TimeoutError:
        return False


class Answer:
    """The learner's function at work in its process."""

    def __init__(self, process: Process, scene: Scene, dump: str, calls: tuple[Call, ...]) -> None:
        self.process, self._scene, self.dump, self._calls = process, scene, dump, calls
        self._began = float("inf")

    def begun(self) -> None:
        """Return when the answer's own code runs: its time begins then. Or soon, if it does not."""
        until = time.monotonic() + START
        while not os.path.exists(self.dump) and not self.process.told and time.monotonic() < until:
            time.sleep(0.005)
        self._began = min(self._began, time.monotonic())
        self._scene.begin()

    def until(
        self, over: Callable[[], Any], seconds: float, look: Callable[[], None] = lambda: None, after: float = 0.0
    ) -> bool:
        """Wait until something is the case, the answer has ended (and `after` seconds more), or time is up. Whether it
        is the case. `look` is called now and then, and may raise NotYet."""
        until, ended = time.monotonic() + self._scene.within(seconds), False
        while not over() and time.monotonic() < until:
            look()
            if self.process.told and not ended:
                ended, until = True, min(until, time.monotonic() + after)
            threading.Event().wait(LOOK)
        look()
        return bool(over())

    def ended(self) -> Outcome | None:
        """What came of the last call, if the answer has ended."""
        return self.outcomes(LOOK)[-1] if self.process.told else None

    def outcomes(self, deadline: float = DEADLINE) -> list[Outcome]:
        """What came of the calls. Raises TookTooLong or Raised where the process hung or died."""
        try:
            self.begun()
            outcomes: list[Outcome] = self.process.result(self._scene.within(deadline))
        except TimeoutError:
            raise TookTooLong(self.stood()) from None
        except RuntimeError:
            raise Raised(f"The process ended {self._how()} before the function returned.") from None
        except Exception as error:  # it wrote into what was not meant for it
            raise Raised(f"The process sent back what is no result: {error}") from None
        outcomes = self._timed(outcomes)
        self._scene.outcomes += outcomes
        self._scene.calls += zip(self._calls, outcomes, strict=False)
        return outcomes

    def _timed(self, outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes with the seconds that the judge has seen, where the answer's own are fewer."""
        known = self._scene.recording.calls.get(self.dump, [])
        timed = []
        for number, outcome in enumerate(outcomes):
            began, ended = self._began, time.monotonic()
            if [kind for kind, _ in known[2 * number : 2 * number + 2]] == [BEGINS, ENDS]:
                began, ended = (at for _, at in known[2 * number : 2 * number + 2])
            if outcome.seconds < ended - began - CLOCKS:  # on a busy machine its beginning may have been told late
                outcome = replace(outcome, seconds=ended - began)
            timed.append(outcome)
        return timed

    def ends(self, deadline: float = 1.5) -> list[Outcome]:
        """Ask a role that runs for ever to end, as a stage does, and wait for it."""
        self.process.stop()
        return self.outcomes(deadline)

    def _how(self) -> str:
        if not self.process.done:
            return "its connection to the checker"
        code = self.process.returncode
        names = {s.value: s.name for s in signal.Signals}
        return f"with exit code {code}" if code >= 0 else f"by {names.get(-code, f'signal {-code}')}"

    def stood(self) -> str:
        """The line of the answer at which it stands now."""
        text, until, ended = lines(self._scene._source), time.monotonic() + 0.5, self.process.done
        known = 0  # bytes of the file that were told before
        if not ended:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                known = os.path.getsize(self.dump)
                os.kill(self.process.pid, signal.SIGUSR1)
        while True:
            with contextlib.suppress(FileNotFoundError):  # it has not begun
                told = Path(self.dump).read_bytes()[known:].decode(errors="replace")
                found = re.findall(r'File "<your answer>", line (\d+) in (\S+)', told)
                if found and 0 < int(found[0][0]) <= len(text):
                    number, name = found[0]
                    return f"in `{name}`, line {number}: `{text[int(number) - 1].strip()}`"
            if ended or time.monotonic() > until:
                return "outside the answer's own lines"
            ended = self.process.join(0.02)


class _Unpickler(pickle.Unpickler):
    """Makes outcomes and plain data, and runs nothing of what an answer may have written into its result."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (Outcome.__module__, Outcome.__name__):
            return Outcome
        raise pickle.UnpicklingError(f"{module}.{name}")


def _outcomes(packed: bytes, calls: int) -> tuple[bool, list[Outcome]]:
    """What came of so many calls. Raises ValueError for anything else."""
    ok, outcomes = _Unpickler(io.BytesIO(packed)).load()
    if ok is not True or not isinstance(outcomes, list) or not all(map(_sound, outcomes)):
        raise ValueError("not outcomes of calls")
    if len(outcomes) > calls or not outcomes or (len(outcomes) < calls and not outcomes[-1].raised):
        raise ValueError(f"{len(outcomes)} outcomes of {calls} calls")
    return ok, outcomes


def _sound(outcome: object) -> bool:
    return (
        isinstance(outcome, Outcome)
        and all(type(getattr(outcome, f.name)) is type(f.default) for f in fields(Outcome) if f.name != "value")
        and all(isinstance(word, str) for word in outcome.raised + outcome.left)
    )


def heard(socket: zmq.Socket[Any], over: threading.Event) -> bool:
    """Whether something comes before the answer has ended, or soon after."""
    for _ in range(120):
        ended = over.is_set()
        if zmq.select([socket], [], [], 0.4 if ended else 0.05)[0]:  # a poll in vain would stand in the picture
            return True
        if ended:
            break
    return False


def counted(number: int, what: str = "time") -> str:
    """As one says it: "once", "twice", "3 times"; "1 message", "3 messages"."""
    if what == "time" and 0 < number < 3:
        return ("once", "twice")[number - 1]
    return f"{number} {what}{'' if number == 1 else 's'}"


def unexpected(outcome: Outcome) -> NoReturn:
    """Give up on an outcome that the contract does not know."""
    if outcome.error:
        raise Raised(f"{outcome.error}: {outcome.message}\n{outcome.trace}".rstrip())
    raise NotYet("", f"the function returned {outcome.value!r}")
