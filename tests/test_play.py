# SPDX-License-Identifier: BSD-3-Clause
"""Roles from the shell: their arguments, what they print, how they end, and what is refused.

Where a signal is sent the roles run as a program of their own, which each time first tells where it is bound.
"""

import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from patterns import __main__ as recipes
from patterns.play import LOCAL, Context, parser, play
from patterns.stage import Actor

ANY = "tcp://127.0.0.1:*"
WAIT = 20.0  # seconds for what has to come
signals = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process here")

Out = pytest.CaptureFixture[str]
Run = Callable[..., int]


# -- arguments ----------------------------------------------------------------------------------------------------


def worker(
    ctx: zmq.Context[Any],
    job: str,
    *requests: str,
    endpoint: str = ANY,
    tasks: str = "ipc:///tmp/tasks",
    timeout: float = 2,
    tries: int = 3,
    name: str = "ann",
    noisy: bool = False,
    work: Callable[[bytes], bytes] = bytes.upper,
    limit: float | None = None,
) -> list[str]:
    """Do 100 % of one thing.

    And this is how.
    """
    return [f"{name}={value!r}" for name, value in locals().items() if name != "ctx"]


def sink(ctx: zmq.Context[Any], back_endpoint: str, work: Callable[[bytes], bytes] = bytes.upper, *count: int) -> Any:
    """Take what comes."""
    return [back_endpoint, work(b"work"), sum(count)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("worker dig", {}, id="what is not given has its default"),
        pytest.param("worker dig a b", {"requests": ["a", "b"]}, id="the many stand in their order"),
        pytest.param("worker dig --endpoint ipc:///x", {"endpoint": "ipc:///x"}, id="an endpoint by its name"),
        pytest.param("worker dig --tasks ipc:///x", {"tasks": "ipc:///x"}, id="an endpoint by its default"),
        pytest.param("worker dig --timeout 0.5", {"timeout": 0.5}, id="seconds, though the default is a whole number"),
        pytest.param("worker dig --tries 2", {"tries": 2}, id="a whole number"),
        pytest.param("worker dig --name bob", {"name": "bob"}, id="a word"),
        pytest.param("worker dig --noisy", {"noisy": True}, id="a switch on"),
        pytest.param("worker dig --no-noisy", {"noisy": False}, id="a switch off"),
        pytest.param("worker dig --open", {"open": True}, id="a way out of this machine"),
    ],
)
def test_arguments_are_the_parameters_of_the_role(line: str, expected: dict[str, Any]) -> None:
    options = vars(parser(worker, sink).parse_args(line.split()))
    assert options.pop("the role") is worker
    defaults = {"requests": [], "endpoint": ANY, "tasks": "ipc:///tmp/tasks", "timeout": 2, "tries": 3, "name": "ann"}
    assert options == {"job": "dig", "noisy": False, "open": False} | defaults | expected


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        pytest.param("", "required: role", id="no role"),
        pytest.param("boss", "invalid choice: 'boss'", id="a role that there is not"),
        pytest.param("worker", "required: job", id="a missing word"),
        pytest.param("sink", "required: --back-endpoint", id="a missing endpoint"),
        pytest.param("worker dig --tries few", "invalid int value: 'few'", id="not a number"),
        pytest.param("worker dig --endpoint 5555", "expected an endpoint such as tcp:", id="not an endpoint"),
        pytest.param("worker dig --endpoint tpc://a:1", "expected an endpoint such as tcp:", id="no transport"),
        *(
            pytest.param(f"worker dig --endpoint {text}", "expected a port as well, as in tcp:", id=f"no port: {text}")
            for text in ("tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://*", "tcp://[::1]")
        ),
        pytest.param("worker dig --work upper", "unrecognized arguments", id="what only Python can give"),
        pytest.param("worker dig --limit 1", "unrecognized arguments", id="a parameter without a plain default"),
    ],
)
def test_unusable_arguments_exit_with_2(line: str, complaint: str, capsys: Out) -> None:
    with pytest.raises(SystemExit) as end:
        parser(worker, sink).parse_args(line.split())
    assert end.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "told"),
    [
        pytest.param(
            "--help", ["Roles from the shell: their arguments", "Do 100 % of", "Take what comes."], id="module"
        ),
        pytest.param("worker --help", ["Do 100 % of one", "And this is how.", "--tries", "default: 3"], id="role"),
    ],
)
def test_help_explains_from_the_docstrings(line: str, told: list[str], capsys: Out) -> None:
    with pytest.raises(SystemExit) as end:
        parser(worker, sink).parse_args(line.split())
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: python -m {__name__}" in out
    for text in told:
        assert text in out


# -- results and errors, in this process --------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Play a role with these words behind its name, and return the exit code."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(role: Callable[..., Any], *words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["program", role.__name__, *words])
        with pytest.raises(SystemExit) as end:
            play(role)
        assert isinstance(end.value.code, int)
        return end.value.code

    yield run
    assert signal.set_wakeup_fd(-1) == -1
    for number, handler in before.items():
        signal.signal(number, handler)


def returns(ctx: zmq.Context[Any], kind: str) -> Any:
    return {"list": ["a", b"b", 3], "text": "a", "bytes": b"a\xff", "nothing": None, "empty": []}[kind]


@pytest.mark.parametrize(
    ("kind", "out"),
    [
        pytest.param("list", "a\nb\n3\n", id="a list one item a line"),
        pytest.param("text", "a\n", id="a text as it is"),
        pytest.param("bytes", "a\\xff\n", id="bytes as text, with nothing lost"),
        pytest.param("nothing", "", id="nothing not at all"),
        pytest.param("empty", "", id="nor an empty list"),
    ],
)
def test_what_a_role_returns_goes_to_stdout(run: Run, capsys: Out, kind: str, out: str) -> None:
    assert run(returns, kind) == 0
    assert capsys.readouterr() == (out, "")


def test_arguments_reach_the_role_whatever_their_kind(run: Run, capsys: Out) -> None:
    assert run(worker, "--tries", "2", "dig", "a", "b") == 0
    said = capsys.readouterr().out.splitlines()
    assert {"job='dig'", "requests=('a', 'b')", "tries=2", "timeout=2", "limit=None"} <= set(said)
    assert run(sink, "--back-endpoint", ANY, "1", "2") == 0  # `work` stands between them and keeps its default
    assert capsys.readouterr().out == f"{ANY}\nWORK\n3\n"


def fails(ctx: zmq.Context[Any], how: str) -> None:
    if how == "bind":
        with ctx.socket(zmq.REP) as one, ctx.socket(zmq.REP) as two:
            one.bind(ANY)
            two.bind(one.last_endpoint.decode())
    if how == "state":
        with ctx.socket(zmq.REQ) as socket:
            socket.recv()
    raise {"limit": ValueError, "peer": TimeoutError, "bug": KeyError}[how]("tries: expected more")


@pytest.mark.parametrize("how", ["limit", "peer"], ids=["a ValueError", "a TimeoutError"])
def test_an_error_for_the_user_is_one_line(run: Run, capsys: Out, how: str) -> None:
    assert run(fails, how) == 1
    assert capsys.readouterr() == ("", "fails: tries: expected more\n")


def test_an_address_that_is_taken_is_one_line(run: Run, capsys: Out) -> None:
    assert run(fails, "bind") == 1
    bound, told = capsys.readouterr().err.splitlines()
    assert told == f"fails: Address already in use (addr='{bound.removeprefix('bound to ')}')"


@pytest.mark.parametrize(
    ("how", "error"), [("bug", KeyError), ("state", zmq.ZMQError)], ids=["a KeyError", "a socket used out of turn"]
)
def test_an_error_of_the_role_itself_keeps_its_traceback(
    how: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "fails", how])
    with pytest.raises(error) as raised:
        play(fails)
    assert "fails" in [frame.name for frame in traceback.extract_tb(raised.tb)]


# -- beyond this machine ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "ipc:///tmp/any",
        "inproc://any",
        "tcp://127.0.0.1:555",
        "tcp://127.8.9.10:*",
        "tcp://localhost:555",
        "tcp://localhost",
        "tcp://[::1]:5555",
        "ws://127.0.0.1:80/path",
        "tcp://192.168.1.5:0;127.0.0.1:5555",
    ],
)
def test_what_stays_on_this_machine_is_local(endpoint: str) -> None:
    assert LOCAL.fullmatch(endpoint)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://0.0.0.0:555",
        "tcp://*:555",
        "tcp://[::]:5555",
        "tcp://eth0:555",
        "tcp://192.168.1.5:555",
        "tcp://example.org:555",
        "tcp://127.0.0.1.example.org:555",
        "tcp://localhost.example.org:555",
        "tcp://127.0.0.1:0;192.168.1.5:5555",
        "udp://239.0.0.1:5555",
        "epgm://127.0.0.1;239.0.0.1:5555",
        "5555",
    ],
)
def test_what_may_leave_this_machine_is_not(endpoint: str) -> None:
    assert not LOCAL.fullmatch(endpoint)


def binds(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)


def connects(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REQ) as socket:
        socket.connect(endpoint)


async def binds_async(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)


async def connects_async(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REQ) as socket:
        socket.connect(endpoint)


BINDING, CONNECTING = [binds, binds_async], [connects, connects_async]


@pytest.mark.parametrize("role", BINDING + CONNECTING)
def test_beyond_this_machine_is_refused_without_curve(run: Run, capsys: Out, role: Callable[..., Any]) -> None:
    assert run(role, "--endpoint", "tcp://0.0.0.0:0") == 1
    told = "tcp://0.0.0.0:0 is beyond this machine and not secured by CURVE: give --open if you mean it"
    assert capsys.readouterr() == ("", f"{role.__name__}: {told}\n")


@pytest.mark.parametrize("role", BINDING)
def test_open_allows_to_bind_it(run: Run, capsys: Out, role: Callable[..., Any]) -> None:
    assert run(role, "--endpoint", "tcp://0.0.0.0:0", "--open") == 0
    assert capsys.readouterr().err.startswith("bound to tcp://0.0.0.0:")


@pytest.mark.parametrize("role", BINDING)
def test_an_address_for_this_process_alone_is_not_told(run: Run, capsys: Out, role: Callable[..., Any]) -> None:
    assert run(role, "--endpoint", "inproc://here") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("role", CONNECTING)
def test_open_allows_to_connect_to_it(run: Run, capsys: Out, role: Callable[..., Any]) -> None:
    assert run(role, "--endpoint", "tcp://0.0.0.0:1", "--open") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(not zmq.has("curve"), reason="no CURVE in this libzmq")
@pytest.mark.parametrize("role", BINDING + CONNECTING)
def test_curve_allows_it(role: Callable[..., Any]) -> None:
    with Context() as ctx:
        ctx.curve_publickey, ctx.curve_secretkey = zmq.curve_keypair()
        if role in CONNECTING:
            ctx.curve_serverkey = ctx.curve_publickey
        else:
            ctx.curve_server = True
        actor = Actor("role", role, ctx, ("tcp://0.0.0.0:0" if role in BINDING else "tcp://0.0.0.0:1",))
        assert actor.result(WAIT) is None
        assert actor.join(WAIT)


# -- which there are ----------------------------------------------------------------------------------------------


def test_the_package_lists_the_recipes_that_can_be_run(capsys: Out) -> None:
    recipes.main()
    *listed, _, how = capsys.readouterr().out.splitlines()
    assert "request_reply        Request-reply: a client asks, a server answers, strictly in turn." in listed
    files = Path(recipes.__file__).parent.glob("*.py")
    assert {line.split()[0] for line in listed} == {f.stem for f in files if "from .play import play" in f.read_text()}
    assert "--help" in how


# -- a program of its own -----------------------------------------------------------------------------------------

PROGRAM = '''
"""Roles to be ended."""
import asyncio, signal, threading, time, zmq
from patterns.kill_signal import foreman, told
from patterns.play import play

def echo(ctx, endpoint="tcp://127.0.0.1:*"):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            socket.send(socket.recv())

async def echo_async(ctx, endpoint="tcp://127.0.0.1:*"):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            await socket.send(await socket.recv())

def unheard(ctx, nobody_endpoint, endpoint="tcp://127.0.0.1:*"):
    "It has asked somebody who is not there: what is unsent holds up the Context until its linger is over."
    with ctx.socket(zmq.REQ) as socket, ctx.socket(zmq.REP) as sign:
        socket.connect(nobody_endpoint)
        socket.send(b"hello")
        sign.bind(endpoint)
        socket.recv()

def busy(ctx, endpoint="tcp://127.0.0.1:*"):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        thread = threading.Thread(target=time.sleep, args=(60,), daemon=False)
        thread.start()
        thread.join()

async def stubborn(ctx, endpoint="tcp://127.0.0.1:*"):
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

def drains(ctx, endpoint="tcp://127.0.0.1:*"):
    "It goes on after SIGTERM until it is told to end."
    with ctx.socket(zmq.REP) as rep:
        with told(signal.SIGTERM) as ending:
            rep.bind(endpoint)
            poller = zmq.Poller()
            poller.register(rep, zmq.POLLIN)
            poller.register(ending, zmq.POLLIN)
            while ending.fileno() not in dict(poller.poll()):
                rep.send(rep.recv())
        rep.recv()
        rep.send(b"the last")

def waits(ctx, endpoint="tcp://127.0.0.1:*"):
    "A foreman whose poll no signal interrupts, for another thread takes them."
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    foreman(ctx, endpoint, "inproc://tasks", "inproc://results", "inproc://control", patience=60)

play(echo, echo_async, unheard, busy, stubborn, drains, waits)
'''


class Program:
    """A running program, and where it says it is bound."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PROGRAM, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    def __enter__(self) -> "Program":
        assert self.process.stderr
        ready = select.select([self.process.stderr], [], [], WAIT)[0]
        said, _, self.endpoint = self.process.stderr.readline().strip().rpartition(" ") if ready else ("", "", "")
        if said != "bound to":
            self.__exit__()
            pytest.fail(f"it did not say where it is bound, but {said!r}")
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=WAIT)

    def end(self, *numbers: int) -> tuple[float, str]:
        """Send these signals; return how many seconds it took to end and what it wrote to stderr. Exit code 0."""
        since = time.monotonic()
        for number in numbers:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=WAIT)
        assert (out, self.process.returncode) == ("", 0), err
        return time.monotonic() - since, err


def ask(endpoint: str, *frames: bytes) -> bytes:
    with zmq.Context() as ctx, ctx.socket(zmq.REQ) as req:
        req.linger, req.rcvtimeo = 0, int(WAIT * 1000)
        req.connect(endpoint)
        req.send_multipart(frames or [b"hello"])
        return req.recv()


def answered(endpoint: str, answer: bytes, *frames: bytes) -> None:
    """Ask until this is the answer: a signal that was sent may not have come yet."""
    until = time.monotonic() + WAIT
    while ask(endpoint, *frames) != answer:
        assert time.monotonic() < until


@signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("role", ["echo", "echo_async"], ids=["a blocking role", "an async role"])
def test_a_signal_ends_a_role_that_waits_for_messages(role: str, number: int) -> None:
    with Program(role) as program:
        assert ask(program.endpoint) == b"hello"
        seconds, err = program.end(number)
        assert seconds < 2
        assert err == ""


@signals
def test_a_signal_ends_a_role_whose_message_nobody_takes_and_a_second_changes_nothing(tmp_path: Path) -> None:
    with Program("unheard", "--nobody-endpoint", f"ipc://{tmp_path}/nobody") as program:
        seconds, err = program.end(signal.SIGINT, signal.SIGINT)
        assert 0.9 < seconds < 2
        assert err == ""


@signals
def test_a_signal_breaks_off_a_role_that_sleeps_and_an_async_one_that_will_not_go() -> None:
    with Program("busy") as busy, Program("stubborn") as stubborn:
        stubborn.process.send_signal(signal.SIGINT)
        seconds, err = busy.end(signal.SIGINT)
        assert seconds < 2
        assert err == "busy was busy and has been broken off\n"
        more, err = stubborn.end()
        assert seconds + more < 2
        assert err == "stubborn was busy and has been broken off\n"


@signals
def test_a_role_that_handles_sigterm_goes_on_and_ends_by_itself() -> None:
    with Program("drains") as program:
        assert ask(program.endpoint) == b"hello"
        program.process.send_signal(signal.SIGTERM)
        answered(program.endpoint, b"the last")
        assert program.end()[1] == ""


@signals
@pytest.mark.parametrize("first", [[], [signal.SIGTERM]], ids=["before SIGTERM", "after SIGTERM"])
def test_ctrl_c_ends_a_role_that_handles_sigterm(first: list[int]) -> None:
    with Program("drains") as program:
        assert ask(program.endpoint) == b"hello"
        seconds, err = program.end(*first, signal.SIGINT)
        assert seconds < 2
        assert err == ""


@signals
def test_ctrl_c_ends_a_foreman_that_waits_for_what_it_has_accepted() -> None:
    with Program("waits") as program:
        assert ask(program.endpoint, b"TASK", b"tea") == b"ACCEPTED"
        program.process.send_signal(signal.SIGTERM)
        answered(program.endpoint, b"REFUSED", b"TASK", b"tea")
        seconds, err = program.end(signal.SIGINT)
        assert seconds < 2
        assert err == ""
