# SPDX-License-Identifier: BSD-3-Clause
"""Pipeline: a ventilator gives out tasks, workers carry them out side by side, a sink collects the results.

    ventilator PUSH ---task---> PULL worker PUSH ---result---> PULL sink
               PULL <---READY---PUSH

    python -m patterns.pipeline sink
    python -m patterns.pipeline worker
    python -m patterns.pipeline ventilator tea milk water

Frames: [label][task] becomes [label][result]; the label is "number/of how many". [CALL] goes the way of the tasks until
enough workers have said [READY]. RFC 30 has PUSH and PULL, the frames are ours.
Left out: to notice that a worker died or that a connection is half open.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 1, "Divide and Conquer".
"""

import re
import time
from collections.abc import Callable
from typing import Any

import zmq

TASKS = "tcp://127.0.0.1:5557"
RESULTS = "tcp://127.0.0.1:5558"
READY = "tcp://127.0.0.1:5559"
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
PAUSE = 0.5  # seconds from one call to the next while nobody says READY
LABEL = re.compile(rb"([1-9]\d{0,8})/([1-9]\d{0,8})")  # number of the task, from 1, and how many there are

# What each trouble, of a worker or its connection, does to one batch; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_a_worker_that_dies_takes_its_share_with_it"),
    "freeze": ("blocked", "test_the_share_of_a_frozen_worker_waits_until_it_thaws"),
    "cut": ("lost", "test_tasks_on_a_connection_that_is_cut_are_lost"),
    "slow": ("safe", "test_a_slow_worker_keeps_its_share_while_another_is_idle"),
    "restart": ("lost", "test_a_restarted_worker_does_not_get_the_old_tasks"),
}
# In the textbook's words: at most once, for fail-stop workers; the sink waits for ever for what is lost.
# Use something else when no task may be lost (send again what is missing) or when tasks differ much in length (let
# idle workers ask for them).


def upper(task: bytes) -> bytes:
    """The work that a worker does unless it is given another: the task in capitals."""
    return task.upper()


def ventilator(ctx: zmq.Context[Any], *todo: str, workers: int = 1, tasks: str = TASKS, ready: str = READY) -> None:
    """Deal out the tasks of one batch, once that many workers are ready; then stay, for workers that are slow.

    A worker says READY to the first CALL that reaches it. The call travels where the tasks will, because
    nothing else proves that this way exists.
    """
    if not todo:
        raise ValueError("todo: expected at least one task")
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.linger = LINGER
        push.bind(tasks)
        pull.bind(ready)
        while workers > 0:
            push.send(b"CALL")
            if pull.poll(round(PAUSE * 1000)) and pull.recv_multipart() == [b"READY"]:
                workers -= 1
        for number, task in enumerate(todo, 1):
            push.send_multipart([b"%d/%d" % (number, len(todo)), task.encode()])
        while True:  # what the workers have no room for yet waits in this socket
            pull.recv_multipart()


def worker(
    ctx: zmq.Context[Any],
    tasks: str = TASKS,
    results: str = RESULTS,
    ready: str = READY,
    work: Callable[[bytes], bytes] = upper,
    seconds: float = 0.0,
) -> None:
    """Carry out task after task with `work`, for ever. Each takes `seconds` longer: simulated work."""
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PUSH) as tell:
        push.linger = tell.linger = LINGER
        pull.connect(tasks)
        push.connect(results)
        tell.connect(ready)
        called = False
        while True:
            match pull.recv_multipart():
                case [label, task]:
                    time.sleep(seconds)
                    push.send_multipart([label, work(task)])
                case [b"CALL"] if not called:
                    tell.send(b"READY")
                    called = True


def sink(ctx: zmq.Context[Any], results: str = RESULTS) -> list[str]:
    """Collect the results of one batch and return them in the order of the tasks. Waits as long as it takes.

    Each label says how many there are, so the batch is complete when that many different numbers have come. Bytes of a
    result that are not UTF-8 are shown escaped: \\xff.
    """
    done: dict[bytes, bytes] = {}
    with ctx.socket(zmq.PULL) as pull:
        pull.bind(results)
        total = 1
        while len(done) < total:
            match pull.recv_multipart():
                case [label, result] if known := LABEL.fullmatch(label):
                    done.setdefault(known[1], result)
                    total = int(known[2])
    return [done[number].decode(errors="backslashreplace") for number in sorted(done, key=int)]


if __name__ == "__main__":
    from .play import play

    play(ventilator, worker, sink)
