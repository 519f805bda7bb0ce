# SPDX-License-Identifier: BSD-3-Clause
"""Steering: the core as tables of cases, bad hours in the simulation, and sockets.

A `Counter` stands for a simulation: it adds up its knob, so that whatever happened to it can be told from its sum.
`hostile(seed)` is one bad hour of two steerers; `make soak` lives through ten thousand of them.
"""

import itertools
import json
import os
import random
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    MS,
    STUCK,
    WAIT,
    address,
    bound_at,
    bound_to,
    curve,
    ends_on_ctrl_c,
    guarantees_hold,
    is_stuck,
    shell,
    signals,
    transports,
    turned_away,
    under_curve,
)

from diagrams import trace
from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import steering
from patterns.diode import diode
from patterns.shell import AT_ONCE, NEVER, Close, Effect, Open, Result, Send, Subscribe
from patterns.simulation import Network
from patterns.stage import Stage
from patterns.steering import (
    BEAT,
    GUARANTEES,
    TABLE,
    Event,
    Knob,
    State,
    Steered,
    Steerer,
    replay,
    steer,
    steered,
    watch,
)

SEEDS = 100  # bad hours in this file
RATE = {"rate": Knob(1.0, -9.0, 9.0)}


class Counter:
    """A simulation: its sum grows by the knob with every step."""

    def __init__(self) -> None:
        self.sum, self.sums = 0.0, list[float]()

    def step(self, knobs: dict[str, float]) -> dict[str, float]:
        self.sum += knobs["rate"]
        self.sums.append(self.sum)
        return {"sum": self.sum}


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(itertools.product(State, Event))


def test_what_is_stopped_stays_stopped_and_only_run_sets_anything_going() -> None:
    for (state, event), after in TABLE.items():
        assert (after is State.STOPPED) == (state is State.STOPPED or event is Event.STOP)
        assert after is not State.RUNNING or event is Event.RUN


# -- the core, without sockets and without waiting ----------------------------------------------------------------


def core(every: int = 10**9, pace: float = 0.0) -> Steered:
    """One whose sockets are open."""
    it = Steered(Counter().step, RATE, "commands", "telemetry", every, pace, beat=5.0)
    assert [type(effect) for effect in it.tick(0.0)] == [Open, Open]
    return it


def told(it: Steered, command: str) -> list[Effect]:
    return list(it.receive("commands", [b"ann", b"7", *command.encode().split()], 0.0))


def reply(effects: list[Effect]) -> list[bytes]:
    """The one reply among what was sent."""
    [sent] = [e for e in effects if isinstance(e, Send) and e.socket == "commands"]
    assert sent.frames[:2] == [b"ann", b"7"]
    return sent.frames[2:]


def story(it: Steered, script: str) -> str:
    """What is replied to the commands of `run 3; steps; set rate 2`; `steps` lets it go on for five steps at most."""
    said = []
    for command in script.split("; "):
        if command == "steps":
            for _ in range(5):
                if it.state is not State.STOPPED:
                    list(it.tick(it.deadline))
        else:
            said.append(b" ".join(reply(told(it, command))[:2]).decode())
    return ", ".join(said)


@pytest.mark.parametrize(
    ("script", "said", "done", "state"),
    [
        pytest.param("steps", "", 0, State.PAUSED, id="it begins paused"),
        pytest.param("run; steps", "OK 0", 5, State.RUNNING, id="run sets it going"),
        pytest.param("run 3; steps", "OK 0", 3, State.PAUSED, id="run N ends with the Nth step"),
        pytest.param("run 3; steps; run 3; steps", "OK 0, OK 3", 3, State.PAUSED, id="run N again does no harm"),
        pytest.param("run 3; steps; run 4; steps", "OK 0, OK 3", 4, State.PAUSED, id="N counts from the beginning"),
        pytest.param("run 0; steps", "OK 0", 0, State.PAUSED, id="run 0 has nothing to do"),
        pytest.param("run 9; steps; run; steps", "OK 0, OK 5", 10, State.RUNNING, id="run takes the bound away"),
        pytest.param("run; steps; run 2; steps", "OK 0, OK 5", 5, State.PAUSED, id="a bound that is past is a pause"),
        pytest.param("run; steps; pause; steps", "OK 0, OK 5", 5, State.PAUSED, id="pause takes effect at once"),
        pytest.param("pause; pause; steps", "OK 0, OK 0", 0, State.PAUSED, id="a pause in a pause is one"),
        pytest.param("pause; run; steps", "OK 0, OK 0", 5, State.RUNNING, id="one run ends all pauses"),
        pytest.param("run; steps; set rate 2; steps", "OK 0, OK 5", 10, State.RUNNING, id="a knob turns while it runs"),
        pytest.param("set rate 2; steps", "OK 0", 0, State.PAUSED, id="a knob turns while it is paused"),
        pytest.param("run; steps; stop; steps", "OK 0, OK 5", 5, State.STOPPED, id="stop stops a run"),
        pytest.param("stop", "OK 0", 0, State.STOPPED, id="stop stops a pause"),
    ],
)
def test_commands(script: str, said: str, done: int, state: State) -> None:
    it = core()
    assert story(it, script) == said
    assert (it.done, it.state) == (done, state)
    assert (it.deadline < NEVER) == (state is not State.STOPPED)


BAD = [
    pytest.param("", "expected run", id="no command"),
    pytest.param("fly", "expected run", id="a word it does not know"),
    pytest.param("RUN", "expected run", id="another case"),
    pytest.param("run 3 4", "expected run", id="a word too many"),
    pytest.param("run x", "expected run", id="steps that are no number"),
    pytest.param("run -1", "expected run", id="steps below zero"),
    pytest.param("run 1e3", "expected run", id="steps with an exponent"),
    pytest.param("run ³", "expected run", id="steps in another script"),
    pytest.param("run " + "9" * 5000, "expected run", id="steps of 5,000 digits"),
    pytest.param("pause now", "expected run", id="a pause with a word too many"),
    pytest.param("set rate", "expected run", id="no value"),
    pytest.param("set volume 3", "the knobs: rate", id="a knob that is not there"),
    pytest.param("set rate 9.5", "rate: expected a number from -9 to 9, got '9.5'", id="a value above"),
    pytest.param("set rate -10", "got '-10'", id="a value below"),
    pytest.param("set rate nan", "got 'nan'", id="not a number"),
    pytest.param("set rate inf", "got 'inf'", id="infinity"),
    pytest.param("set rate 1_0", "got '1_0'", id="what only Python takes for a number"),
    pytest.param("set rate " + "1" * 9000, "expected a number", id="a value of 9,000 digits"),
]


@pytest.mark.parametrize(("command", "expected"), BAD)
def test_nonsense_gets_an_error_changes_nothing_and_is_not_logged(command: str, expected: str) -> None:
    it = core()
    story(it, "set rate 2; run 9; steps")
    before = it.state, it.done, it.until, it.values, it.deadline
    effects = told(it, command)
    status, said = reply(effects)
    assert (status, len(effects)) == (b"ERROR", 1)
    assert expected in said.decode()
    assert len(said) < 200
    assert (it.state, it.done, it.until, it.values, it.deadline) == before


def test_random_messages_harm_nobody() -> None:
    chance, words = random.Random(84), [b"ann", b"run", b"pause", b"set", b"rate", b"3", b"", b"\xff\xfe", b"\1", b"\0"]
    it = core()
    for _ in range(3000):
        frames = [chance.choice([*words, chance.randbytes(3)]) for _ in range(chance.randrange(6))]
        effects = list(it.receive(chance.choice(["commands", "telemetry"]), frames, 0.0))
        assert it.state is not State.STOPPED
        for effect in effects:
            assert not isinstance(effect, Send) or effect.socket == "telemetry" or effect.frames[:2] == frames[:2]


def test_a_command_is_in_the_log_before_it_is_acknowledged() -> None:
    effects = told(core(), "set rate 2")
    assert effects == [Result("0 set rate 2"), Send("commands", [b"ann", b"7", b"OK", b"0"])]


def test_stop_is_acknowledged_before_the_sockets_close() -> None:
    line, ok, report, *end = told(core(), "stop")
    assert line == Result("0 stop")
    assert reply([ok]) == [b"OK", b"0"]
    assert isinstance(report, Send)
    assert end == [Close("commands", 1.0), Close("telemetry", 1.0), Result(None)]


def reports(effects: list[Effect]) -> list[dict[str, Any]]:
    return [json.loads(e.frames[0]) for e in effects if isinstance(e, Send) and e.socket == "telemetry"]


def test_it_reports_every_so_many_steps_and_when_its_state_changes() -> None:
    it = core(every=4)
    seen = reports(told(it, "run 10"))
    for _ in range(10):
        effects = list(it.tick(it.deadline))
        assert all(len(e.frames) == 1 for e in effects if isinstance(e, Send)), "CONFLATE keeps one frame"
        seen += reports(effects)
    assert [(each["step"], each["state"], each.get("sum")) for each in seen] == [
        (0, "running", None), (4, "running", 4.0), (8, "running", 8.0), (10, "paused", 10.0),
    ]  # fmt: skip
    assert [each["rate"] for each in seen] == [1.0] * 4


def test_who_subscribes_is_told_at_once_and_who_leaves_is_not() -> None:
    it = core()
    assert reports(list(it.receive("telemetry", [b"\1"], 0.0))) == [{"step": 0, "state": "paused", "rate": 1.0}]
    assert list(it.receive("telemetry", [b"\0"], 0.0)) == []
    assert list(it.receive("telemetry", [b""], 0.0)) == []


def test_in_a_pause_it_says_every_now_and_then_how_things_stand() -> None:
    it = core()
    story(it, "run 3; steps")
    for now in (it.deadline, it.deadline + 5.0):
        assert it.deadline == now
        assert reports(list(it.tick(now))) == [{"step": 3, "state": "paused", "rate": 1.0, "sum": 3.0}]


def test_steps_have_a_pace_and_without_one_the_deadline_is_later_all_the_same() -> None:
    for pace, expected in (0.25, [0.0, 0.25, 0.5]), (0.0, [0.0, 5e-324, 1e-323]):
        it = core(pace=pace)
        told(it, "run")
        times = []
        for _ in range(3):
            times.append(it.deadline)
            list(it.tick(it.deadline))
        assert times == expected


@pytest.mark.parametrize("bad", [{"every": 0}, {"pace": -1.0}, {"pace": float("nan")}, {"pace": NEVER}, {"beat": 0}])
def test_bad_limits_are_named(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="every, pace, beat: expected"):
        Steered(Counter().step, RATE, "commands", "telemetry", **bad)


# -- the log ------------------------------------------------------------------------------------------------------


def test_a_log_replays_with_other_pauses_the_same_numbers() -> None:
    counter = Counter()
    it = Steered(counter.step, RATE, "", "")
    log = []
    list(it.tick(0.0))
    for command in ["run", "set rate 3", "pause", "run 8", "set rate -1", "run", "stop"]:
        log += [e.value for e in told(it, command) if isinstance(e, Result) and e.value]
        if command.startswith("run"):
            story(it, "steps")
    twin = [each["sum"] for each in replay(Counter().step, RATE, log)]
    assert twin == counter.sums == [1, 2, 3, 4, 5, 8, 11, 14, 13, 12, 11, 10, 9]
    without = [line for line in log if "pause" not in line and "run" not in line]
    assert [each["sum"] for each in replay(Counter().step, RATE, without)] == twin


@pytest.mark.parametrize("log", [["x set rate 1"], ["5 pause", "4 pause"], [""], ["0 set rate 99"], ["0 fly"]])
def test_what_is_no_log_is_named(log: list[str]) -> None:
    with pytest.raises(ValueError, match="log: "):
        list(replay(Counter().step, RATE, log))


# -- in the simulation --------------------------------------------------------------------------------------------

COMMANDS = ["run", "run 40", "run 400", "pause", "pause", "set rate 2", "set rate -3", "set rate 0.5", *["set rate x"]]
PACE, END = 0.05, 30.0


class Hand:
    """Gives a command every now and then, asks for it again until it is answered; its results are what it heard."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.chance, self.deadline = name, random.Random(f"{name} {seed}"), AT_ONCE
        self.number, self.command = 0, ""

    def tick(self, now: float) -> Iterator[Effect]:
        if self.deadline == AT_ONCE:
            yield Open("sim", zmq.DEALER, "commands")
            yield Open("reports", zmq.SUB, "telemetry")
            yield Subscribe("reports", b"")
        if not self.command:
            self.number, self.command = self.number + 1, self.chance.choice(COMMANDS)
        yield Send("sim", [b"%d" % self.number, *self.command.encode().split()])
        self.deadline = now + self.chance.uniform(0.2, 1.0)

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        if socket == "reports":
            yield Result(("report", json.loads(frames[0])))
        elif frames[0] == b"%d" % self.number and self.command:
            yield Result((self.command, frames[1].decode(), frames[2].decode()))
            self.command = ""


class Hour:
    """Two steerers and what befalls them and the wire; the simulation freezes, but does not die."""

    def __init__(self, seed: int, recipe: Any = steering, write: Callable[..., object] = lambda *event: None) -> None:
        chance, self.counter = random.Random(seed), Counter()
        self.network = network = Network(seed, write=write)
        self.core = recipe.Steered(self.counter.step, RATE, "commands", "telemetry", 10, PACE)
        network.play("sim", lambda: self.core)
        for name in ("ann", "bob"):
            network.play(name, partial(Hand, name, seed))
        for _ in range(8):
            begin, length, name = chance.uniform(1, 20), chance.uniform(0.1, 4), chance.choice(["ann", "bob"])
            harm, mend = chance.choice(
                [
                    (partial(network.cut, name, "sim"), partial(network.heal, name, "sim")),
                    (partial(network.crash, name), partial(network.restart, name)),
                    (partial(network.freeze, name), partial(network.thaw, name)),
                    (partial(network.freeze, "sim"), partial(network.thaw, "sim")),
                ]
            )
            network.at(begin, harm)
            network.at(begin + length, mend)

    def live(self) -> list[str]:
        self.network.run(END)
        log, sums, wrong = self.network.results["sim"], self.counter.sums, []
        heard = [each for name in ("ann", "bob") for each in self.network.results[name]]
        if [m["sum"] for m in replay(Counter().step, RATE, [*log, f"{self.core.done} stop"])] != sums:
            wrong.append("the log replays another run")
        for command, *rest in heard:
            match rest:
                case [{"step": step, **report}] if step and report["sum"] != sums[step - 1]:
                    wrong.append(f"the report of step {step} has the sum of another")
                case ["OK", step] if f"{step} {command}" not in log:
                    wrong.append(f"{command} was acknowledged at {step}, and is not in the log")
                case ["OK" | "ERROR" as status, _] if (status == "OK") != ("x" not in command):
                    wrong.append(f"{command}: {status}")
        if not {"report"} < {each[0] for each in heard}:
            wrong.append("nobody heard anything")
        return wrong


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_whatever_befalls_the_steerers_the_log_tells_the_run() -> None:
    for seed in range(SEEDS):
        wrong = hostile(seed)
        assert not wrong, f"seed {seed}: {wrong[:3]}"


LOGS, REFUSES, DOES = "yield Result(", "if not NUMBER.fullmatch(value) or not", "self.done += 1"
MEASURES = "self.measured = self.step(self.values)"
MUTANTS = {
    "does not log a knob": (LOGS, f"if b'set' not in words: {LOGS}"),
    "acknowledges the next step": ('b"OK", b"%d" % self.done', 'b"OK", b"%d" % (self.done + 1)'),
    "counts a step twice": (DOES, "self.done += 2"),
    "reports old numbers": (MEASURES, f"self.measured, _ = self.measured or {{'sum': 1}}, {MEASURES[16:]}"),
    "takes any number": (REFUSES, f"value = value.replace('x', '1')\n                {REFUSES}"),
    "does not open its telemetry": ('yield Open("telemetry"', 'self.telemetry or Open("telemetry"'),
}


@pytest.mark.parametrize("mutant", [pytest.param(m, id=f"a recipe that {name}") for name, m in MUTANTS.items()])
def test_bad_hours_tell(mutant: tuple[str, str]) -> None:
    recipe = broken(steering, *mutant)
    assert any(trouble(seed, recipe) for seed in range(10))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except (KeyError, IndexError, RuntimeError, ValueError):
        return True


# -- over sockets -------------------------------------------------------------------------------------------------


def begin(stage: Stage, **how: Any) -> tuple[Any, Steerer]:
    """A counter at work, and its steerer; the stage closes what it opens."""
    ends = stage.endpoint("commands"), stage.endpoint("telemetry")
    actor = stage.play(steered, Steered(Counter().step, RATE, *ends, **how), name="simulation")
    return actor, Steerer(stage.context, *ends)


@pytest.mark.parametrize("traced", [False, True], ids=["plain", "traced"])
def test_a_run_is_steered(traced: bool) -> None:
    with Stage(trace.Context(Recording()) if traced else None) as stage:
        actor, me = begin(stage)
        with me:
            assert me.report() == {"step": 0, "state": "paused", "rate": 1.0}
            assert me.ask("run", "100") == 0
            assert me.report(100)["sum"] == 100
            assert me.ask("set", "rate", "2") == 100
            with pytest.raises(ValueError, match="rate: expected a number from -9 to 9"):
                me.ask("set", "rate", "10")
            me.ask("run", "110")
            assert me.report(110) == {"step": 110, "state": "paused", "rate": 2.0, "sum": 120.0}
            assert me.ask("stop") == 110
        assert actor.result(WAIT) == ["0 run 100", "100 set rate 2", "100 run 110", "110 stop"]


def test_a_running_simulation_takes_commands_between_two_steps(stage: Stage) -> None:
    _, me = begin(stage, every=1)
    with me:
        me.ask("run")
        turned = me.ask("set", "rate", "-1")
        assert me.report(turned + 1)["rate"] == -1
        paused = me.ask("pause")
        sums = [each["sum"] for each in replay(Counter().step, RATE, [f"{turned} set rate -1", f"{paused} stop"])]
        assert me.report(paused)["sum"] == (sums[-1] if sums else 0)
        me.ask("stop")


def test_a_steerer_that_dies_leaves_its_pause_behind(stage: Stage) -> None:
    _, me = begin(stage, every=1)
    with me:
        me.ask("run")
        process = stage.spawn(steer, "pause", commands=me.commands, telemetry=me.telemetry, name="other")
        done = process.result(WAIT)
        with pytest.raises(TimeoutError, match="told nothing of step"):
            me.report(done + 1, timeout=2 * BEAT)  # that it is paused it does tell
        me.ask("run")
        me.report(done + 1)


@signals
def test_a_steerer_that_was_frozen_sees_the_newest_report(stage: Stage) -> None:
    _, me = begin(stage, every=1)
    with me:
        watching = stage.spawn(watch, 5000, me.commands, me.telemetry)
        me.report()
        watching.freeze()
        me.ask("run", "5000")
        assert me.report(5000)["state"] == "paused", "nobody waits for who is frozen"
        watching.thaw()
        assert json.loads(watching.result(WAIT))["step"] == 5000


def test_reports_behind_a_cut_are_lost_and_the_run_goes_on(stage: Stage) -> None:
    _, me = begin(stage, every=1)
    with me, Wire(me.telemetry) as wire, Steerer(stage.context, me.commands, wire.endpoint) as far:
        far.report()
        wire.cut()
        me.ask("run", "50")
        assert me.report(50)["step"] == 50
        wire.heal()
        assert far.report(1, timeout=WAIT)["step"] == 50, "who comes back is told how things stand"


def test_a_watcher_that_does_not_read_holds_nobody_up(stage: Stage) -> None:
    _, me = begin(stage, every=1)
    with me:
        sleeper = stage.socket(zmq.SUB, rcvhwm=10, rcvbuf=4096, rcvtimeo=MS)
        sleeper.subscribe(b"")
        sleeper.connect(me.telemetry)
        assert json.loads(sleeper.recv())["step"] == 0
        me.ask("run", "5000")
        assert me.report(5000, WAIT)["sum"] == 5000
        seen = [json.loads(sleeper.recv())["step"]]
        while sleeper.poll(int(STUCK * 1000)):
            seen.append(json.loads(sleeper.recv())["step"])
        assert seen == sorted(seen)
        assert len(seen) < 5000, "it missed some"


def test_a_new_steerer_learns_at_once_how_things_stand(stage: Stage) -> None:
    _, me = begin(stage)
    with me:
        me.ask("run", "30")
        me.report(30)
    for _ in range(3):
        with Steerer(stage.context, me.commands, me.telemetry) as new:
            assert new.report() == {"step": 30, "state": "paused", "rate": 1.0, "sum": 30.0}


def test_a_reply_to_another_command_is_not_taken_for_its_own(stage: Stage) -> None:
    router = stage.socket(zmq.ROUTER, rcvtimeo=MS)
    router.bind(stage.endpoint("commands"))

    def confused(ctx: Any) -> None:
        command = b""
        while command != b"run":  # the one before it is answered too late, if it came at all
            name, new, command = router.recv_multipart()
        old = b"1"
        for frames in [], [b"OK"], [old, b"OK", b"5"], [new, b"OK", b"x"], [new, b"OK"], [new, b"OK", b"6"]:
            router.send_multipart([name, *frames])

    stage.play(confused)
    with Steerer(stage.context, stage.endpoint("commands"), stage.endpoint("telemetry")) as me:
        with pytest.raises(TimeoutError, match=r"did not answer 'pause' within 0\.05 s"):
            me.ask("pause", timeout=0.05)
        assert me.ask("run") == 6


def neglectful(ctx: Any, commands: str, told: str) -> None:
    """A steerer, for a process, that reads nothing for two PINGs, and then gives a command."""
    steering.PING = 1.0
    with Steerer(ctx, commands, "inproc://nobody") as me, ctx.socket(zmq.REQ) as tell:
        tell.connect(told)
        me.ask("run")
        for word in b"I am known", b"I have read nothing for a while":
            tell.send(word)
            tell.recv()
        me.ask("pause")


@signals
def test_a_steerer_lives_through_what_it_has_not_asked_for_and_not_read(stage: Stage) -> None:
    router, told = stage.socket(zmq.ROUTER, rcvtimeo=MS, sndhwm=0), stage.socket(zmq.REP, rcvtimeo=MS)
    router.bind(stage.endpoint("commands"))
    told.bind(stage.endpoint("told"))
    me = stage.spawn(neglectful, stage.endpoint("commands"), stage.endpoint("told"))
    name, number, _ = router.recv_multipart()
    router.send_multipart([name, number, b"OK", b"0"])
    told.recv()
    for _ in range(5000):
        router.send_multipart([name, b"?", bytes(200)])
    told.send(b"")
    told.recv()
    assert not router.poll(2500), "the PONG stands behind what nobody reads"
    told.send(b"")
    same, number, _ = router.recv_multipart()
    assert same == name, "its connection stands"
    router.send_multipart([name, number, b"OK", b"0"])
    assert me.result(WAIT) is None


def test_the_last_reply_of_a_simulation_that_ends_is_heard(stage: Stage) -> None:
    """With IMMEDIATE on the steerer's side every third is lost: see lesson 16."""
    for number in range(20):
        ends = stage.endpoint(f"commands-{number}"), stage.endpoint(f"telemetry-{number}")
        actor = stage.play(steered, Steered(Counter().step, RATE, *ends), name=f"simulation {number}")
        with Steerer(stage.context, *ends) as me:
            me.ask("run", "1")
            me.ask("stop")
        actor.result(WAIT)


def test_nobody_there_is_a_timeout(stage: Stage) -> None:
    with Steerer(stage.context, stage.endpoint("commands"), stage.endpoint("telemetry")) as me:
        with pytest.raises(TimeoutError, match="did not answer"):
            me.ask("run", timeout=0.05)
        with pytest.raises(TimeoutError, match="told nothing of step 0"):
            me.report(timeout=0.05)
        _, other = begin(stage)
        with other:
            assert me.ask("run", "1") == 0, "the first command was not kept for later"
            assert other.report(1)["sum"] == 1


@signals
def test_the_log_on_disk_has_whatever_was_acknowledged_before_a_crash(stage: Stage, tmp_path: Path) -> None:
    ends = stage.endpoint("commands"), stage.endpoint("telemetry")
    process = stage.spawn(diode, *ends, str(tmp_path / "log"))
    with Steerer(stage.context, *ends) as me:
        told = [f"{me.ask(*words.split(), timeout=WAIT)} {words}" for words in ("run", "set current 1.5", "pause")]
    process.kill()
    process.join(WAIT)
    assert (tmp_path / "log").read_text().splitlines() == told


def test_a_role_that_is_not_stopped_ends_with_its_stage() -> None:
    with Stage() as stage:
        actor, me = begin(stage)
        with me:
            me.ask("run")
        assert is_stuck(actor)


@curve
@transports
def test_under_curve_only_who_has_the_keys_steers(transport: str) -> None:
    recording = Recording()
    with under_curve(recording) as (home, abroad, street):
        places = [address(home, transport, name) for name in ("commands", "telemetry")]
        home.play(steered, Steered(Counter().step, RATE, *places), name="simulation")
        ends = bound_at(recording, "simulation", 2)
        with (
            turned_away(street, zmq.DEALER, ends[0], [b"1", b"run"]),
            turned_away(street, zmq.SUB, ends[1]),
            Steerer(abroad.context, *ends) as me,
        ):
            assert me.ask("run", "5", timeout=WAIT) == 0
            assert me.report(5, WAIT)["sum"] == 5


def test_guarantees_name_tests_of_this_file() -> None:
    guarantees_hold(GUARANTEES, globals())


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_a_diode_is_steered_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    def says(*words: str) -> subprocess.CompletedProcess[str]:
        with shell("steering", *words, *ends) as process:
            out, err = process.communicate(timeout=WAIT)
            return subprocess.CompletedProcess(words, process.returncode, out, err)

    options = ["--commands=tcp://127.0.0.1:0", "--telemetry=tcp://127.0.0.1:0", f"--log={tmp_path / 'log'}"]
    with shell("diode", "diode", *options) as running:
        commands, telemetry = bound_to(running, 2)
        ends = ["--commands", commands, "--telemetry", telemetry]
        assert says("steer", "run", "20").stdout.strip() == "0"
        assert json.loads(says("watch", "--step=20").stdout)["state"] == "paused"
        refused = says("steer", "set", "current", "9")
        assert (refused.returncode, "expected a number from 0 to 3" in refused.stderr) == (1, True)
        os.kill(running.pid, signal.SIGINT)
        ends_on_ctrl_c(running)
    assert (tmp_path / "log").read_text() == "0 run 20\n"
