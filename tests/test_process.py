# SPDX-License-Identifier: BSD-3-Clause
"""Roles in processes: killed, frozen and thawed, given by name or as source, their results, their words, their deaths.

A client in the test talks to them; every receive has a time limit. What a frozen process does not do is seen from a
message that waits for it, unanswered, until it is thawed.
"""

import contextlib
import gc
import linecache
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from sockets import caught_up

from diagrams import draw, trace
from diagrams.recording import Recording
from patterns import process
from patterns.process import Process
from patterns.stage import Stage

ROOT = Path(__file__).parent.parent
WAIT = 20_000  # milliseconds: the bound of every wait


# -- roles: their source is sent, so they stand alone ---------------------------------------------------------


def answers(ctx, endpoint):  # type: ignore[no-untyped-def]
    import os

    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            socket.send(b"%d " % os.getpid() + socket.recv())


def says_and_answers(ctx, endpoint, words):  # type: ignore[no-untyped-def]
    print(words)
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            socket.send(socket.recv())


class Odd(Exception):
    """It is pickled, but cannot be made again from what is pickled."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def twice(ctx: zmq.Context[Any], number: int) -> int:
    return 2 * number


def raises(ctx: zmq.Context[Any], error: BaseException) -> None:
    raise error


def raises_odd(ctx: zmq.Context[Any]) -> None:
    raise Odd("very", "odd")


def gives_a_function(ctx: zmq.Context[Any]) -> Any:
    return lambda: 1


def leaves(ctx: zmq.Context[Any], code: int, words: str) -> None:
    sys.stderr.write(words)
    os._exit(code)


# -- helpers --------------------------------------------------------------------------------------------------


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage with a recording, `stage.recording`. How fast its processes end is not the question here."""
    recording = Recording()
    with Stage(trace.Context(recording), deadline=WAIT / 1000) as stage:
        stage.recording = recording  # type: ignore[attr-defined]
        yield stage


def client(stage: Stage, endpoint: str) -> Any:
    socket = stage.socket(zmq.REQ, linger=0, rcvtimeo=WAIT, req_relaxed=True, req_correlate=True)
    socket.connect(endpoint)
    return socket


def asked(socket: Any, question: bytes) -> bytes:
    socket.send(question)
    return bytes(socket.recv())


def children() -> set[int]:
    """The processes that this one has started and that are there, or not yet buried."""
    return {int(pid) for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def from_a_cell(source: str, name: str, number: int) -> Any:
    """A function as a notebook defines it: in `__main__`, its source known to `linecache` alone."""
    source, filename = textwrap.dedent(source), f"<cell {number}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]


# -- where a role comes from ----------------------------------------------------------------------------------


def test_a_role_that_can_be_imported_is_played_by_name(stage: Stage) -> None:
    assert stage.spawn(twice, 21).result() == 42


def test_a_role_is_played_by_a_name_given_as_text(stage: Stage) -> None:
    assert stage.spawn("test_process:twice", 4, name="by name").result() == 8


def test_a_role_from_a_cell_is_played_from_its_source(stage: Stage) -> None:
    role = from_a_cell("def thrice(ctx, number):\n    return zmq.zmq_version_info()[:0] + (3 * number,)\n", "thrice", 1)
    assert stage.spawn(role, 5).result() == (15,)


def test_an_asyncio_role_from_a_cell_is_played_from_its_source(stage: Stage) -> None:
    source = """
        async def polite(ctx, words):
            import asyncio
            await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, len, words), 5)
            return words + ", please"
        """
    assert stage.spawn(from_a_cell(source, "polite", 2), "tea").result() == "tea, please"


def test_a_role_defined_inside_a_function_is_played_from_its_source(stage: Stage) -> None:
    def inner(ctx, number):  # type: ignore[no-untyped-def]
        return number + 1

    assert stage.spawn(inner, 1).result() == 2


def test_a_role_of_a_script_is_played_from_its_source(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        import zmq
        from patterns.stage import Stage

        def echo(ctx, endpoint):
            with ctx.socket(zmq.REP) as socket:
                socket.bind(endpoint)
                socket.send(socket.recv())
                return "echoed"

        with Stage() as stage:
            actor = stage.spawn(echo, stage.endpoint("echo"))
            socket = stage.socket(zmq.REQ, rcvtimeo=10_000, linger=0)
            socket.connect(stage.endpoint("echo"))
            socket.send(b"hello")
            print(socket.recv().decode(), actor.result())
        """)
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.stderr) == ("hello echoed\n", "")


NO_ROLES: dict[str, Any] = {
    "a function without a source": eval("lambda ctx: None", {"__name__": "__main__"}),
    "a name without a module": "server",
    "an object that is no function": [].append,
}


@pytest.mark.parametrize("role", NO_ROLES.values(), ids=NO_ROLES.keys())
def test_what_a_process_could_not_find_is_refused_at_once_and_starts_nothing(role: Any, stage: Stage) -> None:
    before = children()
    with pytest.raises(ValueError, match="role: expected "):
        stage.spawn(role, name="it")
    assert children() == before
    assert stage.spawn(twice, 1, name="it").result() == 2


def test_an_argument_that_cannot_be_sent_is_refused_at_once_and_starts_nothing(stage: Stage) -> None:
    before, threads = children(), threading.active_count()
    with pytest.raises((AttributeError, TypeError), match=r"(?i)pickle"):
        stage.spawn(twice, threading.Lock())
    assert (children(), threading.active_count()) == (before, threads)


def test_a_role_that_is_not_where_it_should_be_is_told_with_the_reason(stage: Stage) -> None:
    with pytest.raises(AttributeError, match="no_such_role"):
        stage.spawn("test_process:no_such_role", name="a").result()
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        stage.spawn("no_such_module:role", name="b").result()


def test_a_copy_of_the_four_modules_works_in_a_package_of_another_name(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    for name in ("stage.py", "process.py", "_role.py", "_child.py"):
        (package / name).write_text((ROOT / "patterns" / name).read_text())
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from mine.stage import Stage\n" + textwrap.dedent("""
        with Stage() as stage:
            print(stage.spawn("os:fspath", name="it")._process.args[-1].count("mine._child"))
        """)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30
    )
    assert "No module named" not in run.stderr
    assert run.stdout == "1\n"


# -- results and errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [ValueError("no"), TimeoutError("late"), zmq.ZMQError(zmq.EFSM), zmq.Again(), KeyError("k")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_comes_home_with_its_type_and_where_it_was_raised(error: Exception, stage: Stage) -> None:
    with pytest.raises(type(error)) as raised:
        stage.spawn(raises, error).result()
    assert str(raised.value) == str(error)
    assert "raise error" in "".join(raised.value.__notes__)


def test_a_result_that_cannot_be_pickled_is_told_as_a_type_error(stage: Stage) -> None:
    with pytest.raises(TypeError, match=r"^actor 'gives_a_function': this cannot be pickled: <function .*>$"):
        stage.spawn(gives_a_function).result()


def test_an_error_that_does_not_survive_the_journey_is_told_as_a_type_error_with_its_place(stage: Stage) -> None:
    with pytest.raises(TypeError, match=r"^actor 'raises_odd': this cannot be pickled: Odd\('very odd'\)") as raised:
        stage.spawn(raises_odd).result()
    assert 'raise Odd("very", "odd")' in "".join(raised.value.__notes__)


def test_a_process_that_leaves_without_a_word_is_told_with_its_code_and_its_words(stage: Stage) -> None:
    actor = stage.spawn(leaves, 7, "out of paper")
    with pytest.raises(RuntimeError, match=r"^actor 'leaves' ended with code 7:\nout of paper$"):
        actor.result()
    assert actor.returncode == 7


def test_a_process_that_left_without_a_word_is_raised_at_the_end_of_the_stage() -> None:
    stage = Stage()
    stage.spawn(leaves, 7, "").join(WAIT / 1000)
    with pytest.raises(RuntimeError, match=r"^actor 'leaves' ended with code 7$"):
        stage.close()


def test_a_result_can_be_asked_for_twice(stage: Stage) -> None:
    actor = stage.spawn(twice, [1])
    assert actor.result() == actor.result() == [1, 1]


# -- words ----------------------------------------------------------------------------------------------------


def test_what_a_role_prints_is_kept_and_does_not_show(stage: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    def talks(ctx):  # type: ignore[no-untyped-def]
        import os
        import sys

        print("printed", flush=False)
        print("in error", file=sys.stderr)
        os.system("echo shouted")
        os.write(1, b"R not a result\nE not an event\n")

    actor = stage.spawn(talks)
    assert actor.result() is None
    assert actor.join(WAIT / 1000)
    assert actor.said.splitlines() == ["printed", "in error", "shouted", "R not a result", "E not an event"]
    assert capfd.readouterr() == ("", "")


def test_of_many_words_the_end_is_kept(stage: Stage) -> None:
    def chatters(ctx):  # type: ignore[no-untyped-def]
        for number in range(10_000):
            print(number)

    actor = stage.spawn(chatters)
    actor.result()
    actor.join(WAIT / 1000)
    assert len(actor.said) <= 2000
    assert actor.said.endswith("9998\n9999")


def test_the_words_of_a_process_that_was_killed_are_kept(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    actor = stage.spawn(says_and_answers, stage.endpoint("here"), "almost done")
    assert asked(client(stage, stage.endpoint("here")), b"x") == b"x"
    actor.kill()
    assert actor.said == "almost done"


# -- killed and frozen ----------------------------------------------------------------------------------------


def test_a_killed_process_is_gone_at_once_and_no_error_of_the_stage(stage: Stage) -> None:
    actor = stage.spawn(answers, stage.endpoint("here"))
    assert asked(client(stage, stage.endpoint("here")), b"x") == b"%d x" % actor.pid
    actor.kill()
    assert (actor.done, actor.returncode) == (True, -9)
    with pytest.raises(ProcessLookupError):
        os.kill(actor.pid, 0)


def test_who_asks_a_killed_process_for_its_result_is_told_how_it_ended(stage: Stage) -> None:
    actor = stage.spawn(answers, stage.endpoint("here"))
    actor.kill()
    with pytest.raises(RuntimeError, match="actor 'answers' ended with code -9"):
        actor.result()


def test_another_process_takes_the_place_of_a_killed_one(stage: Stage) -> None:
    first = stage.spawn(answers, stage.endpoint("here"))
    socket = client(stage, stage.endpoint("here"))
    assert asked(socket, b"x") == b"%d x" % first.pid
    first.kill()
    caught_up(stage)
    second = stage.spawn(answers, stage.endpoint("here"))
    assert asked(socket, b"y") == b"%d y" % second.pid


def test_a_frozen_process_answers_once_it_is_thawed(stage: Stage) -> None:
    actor = stage.spawn(answers, stage.endpoint("here"))
    socket = client(stage, stage.endpoint("here"))
    asked(socket, b"x")
    actor.freeze()
    socket.send(b"y")
    assert socket.poll(50) == 0
    actor.thaw()
    assert socket.recv() == b"%d y" % actor.pid


def test_what_was_done_to_a_process_is_recorded_where_it_happened(stage: Stage) -> None:
    actor = stage.spawn(answers, stage.endpoint("here"), name="server")
    socket = client(stage, stage.endpoint("here"))
    asked(socket, b"x")
    actor.freeze()
    socket.send(b"x")
    socket.poll(20)
    actor.thaw()
    socket.recv()
    actor.kill()
    run: Recording = stage.recording  # type: ignore[attr-defined]
    told = [line.partition(". ")[2] for line in draw.sequence(run).text.replace(str(actor.pid), "n").splitlines()[1:]]
    assert told == [
        "notebook → server: [x]",
        "server → notebook: [n x]",
        "server is frozen",
        "notebook → server: [x]",
        "notebook waits in vain",
        "server is thawed",
        "server gets [x]",
        "server → notebook: [n x]",
        "server is killed",
    ]


def test_a_freeze_is_recorded_after_it_and_a_thaw_before_it(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    run: Recording = stage.recording  # type: ignore[attr-defined]
    known, real = [], process._signal

    def watched(popen: Any, name: str) -> None:
        known.append((name, run.count("frozen"), run.count("thawed")))
        real(popen, name)

    monkeypatch.setattr(process, "_signal", watched)
    actor = stage.spawn(answers, stage.endpoint("here"))
    actor.freeze()
    actor.thaw()
    assert known == [("SIGSTOP", 0, 0), ("SIGCONT", 1, 1)]


def threads(ctx: zmq.Context[Any], endpoint: str) -> None:
    """Several threads that always have something to do, and libzmq's own."""
    for _ in range(4):
        threading.Thread(target=lambda: sum(iter(lambda: 1, 0)), daemon=True).start()
    answers(ctx, endpoint)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not tell of threads")
def test_all_threads_stand_still_when_freeze_returns(stage: Stage) -> None:
    actor = stage.spawn(threads, stage.endpoint("here"), name="server")
    asked(client(stage, stage.endpoint("here")), b"x")
    for _ in range(50):
        actor.freeze()
        told = [file.read_text() for file in Path(f"/proc/{actor.pid}/task").glob("*/stat")]
        assert len(told) > 5
        assert all(") T " in thread for thread in told)
        actor.thaw()


def test_the_events_of_a_process_arrive_as_they_happen(stage: Stage) -> None:
    stage.spawn(answers, stage.endpoint("here"), name="server")
    run: Recording = stage.recording  # type: ignore[attr-defined]
    run.wait("bind", "server", timeout=WAIT / 1000)
    asked(client(stage, stage.endpoint("here")), b"x")
    run.wait("sent", "server", timeout=WAIT / 1000)
    events = [(e.kind, e.peer) for e in run if e.actor == "server"]
    assert events == [("open", ""), ("bind", ""), ("receive", "notebook"), ("send", ""), ("sent", "")]
    assert [m.fate for m in run.messages()] == ["received", "received"]
    assert [e.at for e in run if e.actor == "server"] == sorted(e.at for e in run if e.actor == "server")


def test_a_stage_ends_in_time_with_a_frozen_process_on_it() -> None:
    with Stage() as stage:
        actor = stage.spawn(answers, stage.endpoint("here"))
        asked(client(stage, stage.endpoint("here")), b"x")
        actor.freeze()
        start = time.monotonic()
    assert time.monotonic() - start < stage.deadline
    assert actor.returncode == -9


@pytest.mark.parametrize("act", [Process.kill, Process.freeze, Process.thaw], ids=["kill", "freeze", "thaw"])
def test_a_process_that_has_ended_cannot_be_touched(act: Callable[[Process], None], stage: Stage) -> None:
    actor = stage.spawn(twice, 1)
    assert actor.join(WAIT / 1000)
    with pytest.raises(RuntimeError, match="actor 'twice' has ended, it cannot be "):
        act(actor)


def test_a_killed_process_takes_its_children_with_it(stage: Stage, tmp_path: Path) -> None:
    def parent(ctx, path):  # type: ignore[no-untyped-def]
        import subprocess
        import sys

        code = f"import os, signal; open({path!r}, 'w').write(str(os.getpid())); signal.pause()"
        subprocess.run([sys.executable, "-c", code])

    path = tmp_path / "pipe"
    os.mkfifo(path)
    actor = stage.spawn(parent, str(path))
    grandchild = int(path.read_text())
    handle = os.pidfd_open(grandchild)
    try:
        actor.kill()
        assert select.select([handle], [], [], WAIT / 1000)[0], "the child's child goes on"
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)


def test_a_process_has_a_session_of_its_own(stage: Stage) -> None:
    def session(ctx):  # type: ignore[no-untyped-def]
        import os

        return os.getsid(0) == os.getpid()

    assert stage.spawn(session).result() is True


def test_a_process_says_who_it_is(stage: Stage) -> None:
    actor = stage.spawn(twice, 1)
    actor.join(WAIT / 1000)
    assert repr(actor) == f"<actor 'twice' in process {actor.pid}, done>"


def test_nothing_is_left_of_many_processes_that_came_and_went() -> None:
    gc.collect()
    threads, before = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    with Stage() as stage:
        actors = [stage.spawn(twice, n, name=f"worker {n}") for n in range(4)]
        assert [actor.result() for actor in actors] == [0, 2, 4, 6]
    assert set(threading.enumerate()) == threads
    assert len(os.listdir("/proc/self/fd")) <= before
    assert children() == set()
