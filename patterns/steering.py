# SPDX-License-Identifier: BSD-3-Clause
"""Steering: a simulation says how it is getting on and takes commands while it runs; its log says which, and when.

    simulation XPUB --telemetry--> SUB steerer DEALER --commands--> ROUTER simulation
    python -m patterns.diode diode, and in another terminal python -m patterns.steering steer run | watch | steer stop

Commands: [request id][run], [run][N] until N steps are done, [pause], [set][knob][value], [stop]. Replies: [request id]
[OK][step], the steps done when it took effect, or [request id][ERROR][what was expected]. Telemetry is one frame of
JSON: every so many steps, when the state changes, in a pause now and then, and to whoever subscribes. A run begins
paused, at step 0.
Left out: who may steer (CURVE, `zap`), and a pause whose steerer is gone. `diode` is a simulation to try it on.
Copy with `shell.py` and what goes with it. Source: ours, after a story told in Talk Python To Me, episode 306.
"""

import itertools
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any, Self

import zmq

from .shell import AT_ONCE, NEVER, Close, Effect, Open, Result, Send, run

COMMANDS, TELEMETRY = "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"
EVERY = 25  # steps from one report to the next
ROOM = 100  # reports that may wait for one subscriber; then it misses the newest, and the simulation goes on
BEAT = 0.5  # seconds from one report to the next while nothing is done: what was missed is told again
TIMEOUT = 5.0  # seconds in which a steerer expects to hear something
LINGER = 1.0  # seconds that the last words may take to leave when it has been stopped
PING = 5.0  # seconds; a connection that has died in silence is noticed, and made anew. Whoever PINGs has no RCVHWM:
# libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer. (CONFLATE has no mark.)

# What each trouble of the steering side means for the run: "safe" goes on, and the log has whatever was acknowledged.
GUARANTEES = {
    "crash": ("blocked", "test_a_steerer_that_dies_leaves_its_pause_behind"),
    "freeze": ("safe", "test_a_steerer_that_was_frozen_sees_the_newest_report"),
    "cut": ("lost", "test_reports_behind_a_cut_are_lost_and_the_run_goes_on"),
    "slow": ("safe", "test_a_watcher_that_does_not_read_holds_nobody_up"),
    "restart": ("safe", "test_a_new_steerer_learns_at_once_how_things_stand"),
}
# In the textbook's words: a report is delivered at most once; a command at least once, if it is given again until its
# reply comes, which does no harm, for none says "more" or "less". Use something else where every report counts
# (`clone`, or a file), and where nobody watches: a batch of runs is simpler, and each of them explains itself.

Context = zmq.Context[Any]
Step = Callable[[dict[str, float]], dict[str, float]]  # does one step with the knobs at these values; what it measured
STEPS, NUMBER = re.compile(r"[0-9]{1,15}"), re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


@dataclass(frozen=True)
class Knob:
    """A value that may be turned while the simulation runs, and its bounds."""

    value: float
    low: float
    high: float


class State(StrEnum):
    PAUSED, RUNNING, STOPPED = "paused", "running", "stopped"


Event = Enum("Event", ["RUN", "PAUSE", "DONE", "STOP"])  # three commands; the steps that were asked for are done
S, E = State, Event
TABLE: dict[tuple[State, Event], State] = {
    (S.PAUSED, E.RUN): S.RUNNING, (S.PAUSED, E.PAUSE): S.PAUSED,
    (S.PAUSED, E.DONE): S.PAUSED, (S.PAUSED, E.STOP): S.STOPPED,
    (S.RUNNING, E.RUN): S.RUNNING, (S.RUNNING, E.PAUSE): S.PAUSED,
    (S.RUNNING, E.DONE): S.PAUSED, (S.RUNNING, E.STOP): S.STOPPED,
    (S.STOPPED, E.RUN): S.STOPPED, (S.STOPPED, E.PAUSE): S.STOPPED,
    (S.STOPPED, E.DONE): S.STOPPED, (S.STOPPED, E.STOP): S.STOPPED,
}  # fmt: skip


class Steered:
    """The core: does the steps, with a ROUTER "commands" and an XPUB "telemetry".

    Its results are the lines of its log, and None when it has been stopped.

    step   does one step of the simulation, whichever it is
    knobs  by their names
    every  steps from one report to the next; in a pause it is `beat` seconds
    pace   seconds from one step to the next; 0 is as fast as it can
    """

    def __init__(
        self,
        step: Step,
        knobs: dict[str, Knob],
        commands: str,
        telemetry: str,
        every: int = EVERY,
        pace: float = 0.0,
        beat: float = BEAT,
    ) -> None:
        if every < 1 or not 0 <= pace < NEVER or not beat > 0:
            raise ValueError(f"every, pace, beat: expected steps and seconds, got {every!r}, {pace!r}, {beat!r}")
        self.beat = beat
        self.step, self.knobs, self.every, self.pace = step, dict(knobs), every, pace
        self.commands, self.telemetry = commands, telemetry
        self.state, self.done, self.until = State.PAUSED, 0, NEVER  # steps that are done, and that are to be done
        self.measured: dict[str, float] = {}
        self.deadline = AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """One step if it is running, and if not, a report: it is still there."""
        if self.deadline == AT_ONCE:
            yield Open("commands", zmq.ROUTER, self.commands, bind=True)
            yield Open("telemetry", zmq.XPUB, self.telemetry, True, {"xpub_verbose": 1, "sndhwm": ROOM})
        elif self.state is State.RUNNING:
            self.measured = self.step(self.values)
            self.done += 1
            if self.done >= self.until:
                self.state = TABLE[self.state, Event.DONE]
            if self.done % self.every == 0 or self.state is State.PAUSED:
                yield self._report()
        elif self.state is State.PAUSED:
            yield self._report()
        self._wind(now, max(now + self.pace, math.nextafter(now, NEVER)))

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A command, or a new subscription. A command takes effect here, between two steps, or gets an error."""
        match socket, frames:
            case "telemetry", [said] if said[:1] == b"\1":
                yield self._report()
            case "commands", [peer, request, *words]:
                before, command = self.state, [word.decode(errors="replace") for word in words]
                if expected := self._obey(command):
                    yield Send("commands", [peer, request, b"ERROR", expected.encode()])
                    return
                yield Result(" ".join([str(self.done), *command]))  # in the log before anybody is told
                yield Send("commands", [peer, request, b"OK", b"%d" % self.done])
                if self.state is not before:
                    yield self._report()
                    self._wind(now, now)
                if self.state is State.STOPPED:
                    yield from (Close("commands", LINGER), Close("telemetry", LINGER), Result(None))

    @property
    def values(self) -> dict[str, float]:
        return {name: knob.value for name, knob in self.knobs.items()}

    def _obey(self, command: list[str]) -> str:
        """Do what a command says, or return what was expected."""
        match command:
            case ["set", name, value] if name in self.knobs:
                knob = self.knobs[name]
                if not NUMBER.fullmatch(value) or not knob.low <= float(value) <= knob.high:
                    return f"{name}: expected a number from {knob.low:g} to {knob.high:g}, got {value[:40]!r}"
                self.knobs[name] = replace(knob, value=float(value))
            case ["run", *until] if not until or (len(until) == 1 and STEPS.fullmatch(until[0])):
                self.until = int(until[0]) if until else NEVER
                self.state = TABLE[self.state, Event.RUN if self.done < self.until else Event.DONE]
            case ["pause"]:
                self.state = TABLE[self.state, Event.PAUSE]
            case ["stop"]:
                self.state = TABLE[self.state, Event.STOP]
            case _:
                return f"expected run, run N, pause, set KNOB VALUE or stop; the knobs: {', '.join(self.knobs)}"
        return ""

    def _report(self) -> Send:
        report = {"step": self.done, "state": self.state, **self.values, **self.measured}
        return Send("telemetry", [json.dumps(report).encode()])

    def _wind(self, now: float, step: float) -> None:
        """When to be ticked: for the next step, or to say once more how things stand."""
        times = {State.RUNNING: step, State.PAUSED: now + self.beat, State.STOPPED: NEVER}
        self.deadline = times[self.state]


def steered(ctx: Context, core: Steered, log: str = "") -> list[str]:
    """Run a simulation until it is told to stop, and return the lines of its log; they go into the file `log` as well.

    A line is in the file before its command is acknowledged, so it outlives a crash of the simulation.
    """
    lines: list[str] = []
    with open(log, "a", encoding="utf-8") if log else nullcontext() as file:
        for line in run(ctx, core):
            if line is None:
                break
            lines.append(line)
            if file:
                print(line, file=file, flush=True)
    return lines


def replay(step: Step, knobs: dict[str, Knob], log: Iterable[str]) -> Iterator[dict[str, float]]:
    """What each step measures when the commands of a log take effect at the same steps again. ValueError: no log."""
    core = Steered(step, knobs, "", "")
    for line in log:
        number, *command = line.split() or [""]
        if not STEPS.fullmatch(number) or int(number) < core.done:
            raise ValueError(f"log: expected a step that is not earlier than {core.done}, and a command, got {line!r}")
        while core.done < int(number):
            core.done += 1
            yield step(core.values)
        if expected := core._obey(command):
            raise ValueError(f"log: {line!r}: {expected}")


class Steerer:
    """The steering side: a DEALER for commands, and a SUB that keeps the newest report only. Use it in a `with`."""

    def __init__(self, ctx: Context, commands: str = COMMANDS, telemetry: str = TELEMETRY) -> None:
        self.commands, self.telemetry, self._numbers = commands, telemetry, itertools.count(1)
        self._context, self._sub = ctx, ctx.socket(zmq.SUB)
        self._sub.heartbeat_ivl = round(PING * 1000)
        self._sub.conflate = 1
        self._sub.subscribe(b"")
        self._sub.connect(telemetry)
        self._dealer = self._open()

    def _open(self) -> Any:
        dealer = self._context.socket(zmq.DEALER)
        dealer.linger, dealer.heartbeat_ivl, dealer.rcvhwm = 0, round(PING * 1000), 0
        dealer.connect(self.commands)
        return dealer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._dealer.close()
        self._sub.close()

    def ask(self, *words: str, timeout: float = TIMEOUT) -> int:
        """Give a command, and return after how many steps it took effect.

        ValueError: it was refused. TimeoutError: nobody answered, and it may have taken effect or not.
        """
        request, until = b"%d" % next(self._numbers), time.monotonic() + timeout
        if self._dealer.poll(_left(until), zmq.POLLOUT):
            self._dealer.send_multipart([request, *[word.encode() for word in words]])
        while self._dealer.poll(_left(until)):
            match self._dealer.recv_multipart():
                case [number, b"OK", step] if number == request and step.isdigit():
                    return int(step)
                case [number, b"ERROR", expected] if number == request:
                    raise ValueError(expected.decode(errors="replace"))
        self._dealer.close()  # and with it a command that still waits for somebody to come
        self._dealer = self._open()
        raise TimeoutError(f"{self.commands} did not answer {' '.join(words)!r} within {timeout:g} s")

    def report(self, step: int = 0, timeout: float = TIMEOUT) -> dict[str, Any]:
        """The newest report, once so many steps are done.

        TimeoutError: for `timeout` seconds no step more has been reported.
        """
        done, until = -1, time.monotonic() + timeout
        while self._sub.poll(_left(until)):
            report = _report(self._sub.recv())
            if report.get("step", -1) >= step:
                return report
            if report and report["step"] > done:
                done, until = report["step"], time.monotonic() + timeout
        raise TimeoutError(f"{self.telemetry} told nothing of step {step} within {timeout:g} s")


def _left(until: float) -> int:
    return math.ceil(1000 * max(0.0, until - time.monotonic()))


def _report(frame: bytes) -> dict[str, Any]:
    """What a report says; nothing if it is none."""
    try:
        match json.loads(frame):
            case {"step": int(), "state": str()} as report:
                return dict(report)
    except (ValueError, RecursionError):  # no UTF-8, no JSON, or too deep
        pass
    return {}


def steer(ctx: Context, *words: str, commands: str = COMMANDS, telemetry: str = TELEMETRY) -> int:
    """Give one command, such as `set current 1.4`, and return after how many steps it took effect."""
    with Steerer(ctx, commands, telemetry) as steerer:
        return steerer.ask(*words)


def watch(ctx: Context, step: int = 0, commands: str = COMMANDS, telemetry: str = TELEMETRY) -> str:
    """The newest report, once so many steps are done."""
    with Steerer(ctx, commands, telemetry) as steerer:
        return json.dumps(steerer.report(step))


if __name__ == "__main__":
    from .play import play

    play(steer, watch)
