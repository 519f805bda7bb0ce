# SPDX-License-Identifier: BSD-3-Clause
"""Kill signal: a pipeline that ends when it is told to, and not before all that was accepted is done.

    client REQ ---task, or STOP---> REP  foreman PUSH ---task----> PULL worker
                                                 PULL <--result--- PUSH
                                                 XPUB ---KILL----> SUB
    python -m patterns.kill_signal foreman
    python -m patterns.kill_signal worker
    python -m patterns.kill_signal client tea milk && python -m patterns.kill_signal stop

Frames: [TASK][task] or [STOP] is answered [ACCEPTED][how many so far] or [REFUSED]; inside go [number][task],
[number][result] and [KILL]. To a foreman in a main thread SIGTERM says the same as STOP.
Left out: to give what a dead worker had to another; a line with an end; half-open connections; a worker that leaves,
or comes when the last has gone.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 2, "Handling Errors and ETERM".
"""

import math
import re
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import zmq

INTAKE = "tcp://127.0.0.1:5563"
TASKS = "tcp://127.0.0.1:5557"
RESULTS = "tcp://127.0.0.1:5558"
CONTROL = "tcp://127.0.0.1:5564"
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
PATIENCE = 5.0  # seconds without a result, or without a worker that leaves, after which the end no longer waits
NUMBER = re.compile(rb"[1-9]\d{0,17}")

# What each trouble, of a worker or its connection, does to the end of a pipeline; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_what_a_dead_worker_had_is_named_at_the_end"),
    "freeze": ("blocked", "test_the_end_waits_for_a_frozen_worker_until_it_thaws"),
    "cut": ("lost", "test_tasks_on_a_connection_that_is_cut_are_named_at_the_end"),
    "slow": ("safe", "test_the_end_waits_for_a_slow_worker"),
    "restart": ("lost", "test_a_restarted_worker_has_not_what_the_old_one_had"),
}
# In the textbook's words: at most once, for fail-stop workers; a loss is reported, and nothing accepted is forgotten.
# Use something else when no task may be lost (send again what is missing: exercise 14), when accepted has to outlive
# the foreman (write it to disk first), or when workers come and go by themselves (let idle workers ask for tasks).


def upper(task: bytes) -> bytes:
    """The work that a worker does unless it is given another: the task in capitals."""
    return task.upper()


@contextmanager
def told(*signals: int) -> Iterator[socket.socket]:
    """A socket, for a poller, that is readable from the moment on at which one of these signals comes.

    Each leaves a byte in it. Only a main thread is told. The previous handlers are restored afterwards.
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        if threading.current_thread() is not threading.main_thread():
            yield ours
            return
        before = {number: signal.signal(number, lambda *_: None) for number in signals}  # else it ends the program
        wakes = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(wakes)
            for number, handler in before.items():
                signal.signal(number, handler)


def client(ctx: zmq.Context[Any], *todo: str, intake: str = INTAKE) -> list[str]:
    """Hand in the tasks; return for each the foreman's answer, "ACCEPTED 1" or "REFUSED". ValueError without a task."""
    if not todo:
        raise ValueError("todo: expected at least one task")
    return [_asked(ctx, intake, b"TASK", task.encode()) for task in todo]


def stop(ctx: zmq.Context[Any], intake: str = INTAKE) -> str:
    """Ask the foreman to end the pipeline; return how many tasks it has accepted, as "ACCEPTED 2"."""
    return _asked(ctx, intake, b"STOP")


def _asked(ctx: zmq.Context[Any], intake: str, *frames: bytes) -> str:
    with ctx.socket(zmq.REQ) as req:
        req.linger = 0  # a question nobody waits for is not worth delivering
        req.connect(intake)
        req.send_multipart(frames)
        return b" ".join(req.recv_multipart()).decode()


def foreman(
    ctx: zmq.Context[Any],
    intake: str = INTAKE,
    tasks: str = TASKS,
    results: str = RESULTS,
    control: str = CONTROL,
    patience: float = PATIENCE,
) -> list[str]:
    """Deal out what is handed in until STOP or SIGTERM; then wait for what was accepted, and send the workers home.

    Returns the results in the order of the tasks. Bytes of a result that are not UTF-8 are shown escaped: \\xff.
    Raises TimeoutError, once the workers have gone, that names the tasks without a result: for `patience` seconds
    after the end had begun none had come.
    """
    accepted, done, waiting, over, quiet = 0, dict[int, bytes](), deque[list[bytes]](), False, time.monotonic()
    with (
        told(signal.SIGTERM) as ending,
        ctx.socket(zmq.REP) as door,
        ctx.socket(zmq.PUSH) as push,
        ctx.socket(zmq.PULL) as pull,
        ctx.socket(zmq.XPUB) as kill,
    ):
        door.linger = push.linger = kill.linger = LINGER
        kill.xpub_verboser = True  # it tells of every worker that comes, and of every one that goes
        for each, endpoint in ((pull, results), (kill, control), (push, tasks), (door, intake)):
            each.bind(endpoint)
        poller = zmq.Poller()
        for source in (ending, door, pull):
            poller.register(source, zmq.POLLIN)
        while not over or len(done) < accepted:
            poller.modify(push, zmq.POLLOUT if waiting else 0)
            ready = dict(poller.poll(_left(quiet + patience) if over else None))
            if over and pull not in ready and time.monotonic() >= quiet + patience:
                break
            if push in ready:
                push.send_multipart(waiting.popleft())
            if pull in ready:
                match pull.recv_multipart():
                    case [number, result] if NUMBER.fullmatch(number) and int(number) <= accepted:
                        done.setdefault(int(number), result)
                        quiet = time.monotonic()
            stopped, answer = ending.fileno() in ready, [b"REFUSED"]
            if stopped:
                ending.recv(4096)  # read, so that the next one wakes us as well
            if door in ready:
                match door.recv_multipart():
                    case [b"TASK", task] if not over:
                        accepted += 1
                        waiting.append([b"%d" % accepted, task])
                        answer = [b"ACCEPTED", b"%d" % accepted]
                    case [b"STOP"]:
                        stopped, answer = True, [b"ACCEPTED", b"%d" % accepted]
                door.send_multipart(answer)
            if stopped and not over:
                over, quiet = True, time.monotonic()
        _send_home(kill, patience, some=bool(done))
    if missing := [str(number) for number in range(1, accepted + 1) if number not in done]:
        raise TimeoutError(f"{len(missing)} of {accepted} tasks have no result: {', '.join(missing)}")
    return [done[number].decode(errors="backslashreplace") for number in sorted(done)]


def _left(until: float) -> int:
    """Milliseconds, for a poll."""
    return max(0, math.ceil((until - time.monotonic()) * 1000))


def _send_home(kill: "zmq.Socket[bytes]", patience: float, some: bool) -> None:
    """Answer every subscription, old ones and new, with a KILL, until the last of the workers has gone.

    some  whether there are any: a result may overtake the subscription of the worker that did it
    """
    there, until = 0, time.monotonic() + patience
    while kill.poll(0) or ((there or some) and time.monotonic() < until):
        if kill.poll(_left(until)):  # or it is not over yet: a signal may end a poll early
            match kill.recv():
                case b"\1KILL":
                    there, some = there + 1, False
                    kill.send(b"KILL")
                case b"\0KILL":
                    there -= 1
            until = time.monotonic() + patience


def worker(
    ctx: zmq.Context[Any],
    tasks: str = TASKS,
    results: str = RESULTS,
    control: str = CONTROL,
    work: Callable[[bytes], bytes] = upper,
    seconds: float = 0.0,
) -> int:
    """Carry out task after task with `work` until KILL comes; return how many. Each takes `seconds` longer."""
    count = 0
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.SUB) as kill:
        push.linger = LINGER
        kill.subscribe(b"KILL")
        for each, endpoint in ((pull, tasks), (push, results), (kill, control)):
            each.connect(endpoint)
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        poller.register(kill, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if kill in ready and kill.recv_multipart() == [b"KILL"]:
                return count
            if pull in ready:
                match pull.recv_multipart():
                    case [number, task]:
                        time.sleep(seconds)
                        push.send_multipart([number, work(task)])
                        count += 1


if __name__ == "__main__":
    from .play import play

    play(client, stop, foreman, worker)
