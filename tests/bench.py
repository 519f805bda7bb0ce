# SPDX-License-Identifier: BSD-3-Clause
"""How fast, as ratios measured in one run: what `make bench` prints in less than a minute.

A client asks one small request after the other; client, middle and worker are processes of their own on one machine,
over ipc where there is one. Seconds differ from machine to machine and from hour to hour; the ratio of two ways that
take turns in one run hardly does. It is the median over the rounds, with the least and the greatest beside it.
"""

import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import zmq  # noqa: E402

from diagrams import trace  # noqa: E402
from diagrams.recording import Recording  # noqa: E402
from patterns.majordomo import Client, broker, worker  # noqa: E402
from patterns.shell import run  # noqa: E402
from patterns.stage import Stage  # noqa: E402

ROUNDS, REQUESTS, WARM = 9, 500, 50  # how often each way has its turn, with how many requests after the first ones
WAIT = 30.0  # seconds for one turn
BODY = random.Random(1).randbytes(64)


def proxy(ctx: Any, frontend: str, backend: str) -> None:
    """ROUTER and DEALER, and libzmq's own loop between them."""
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.DEALER) as back:
        front.bind(frontend)
        back.bind(backend)
        zmq.proxy(front, back)


def server(ctx: Any, endpoint: str) -> None:
    with ctx.socket(zmq.REP) as sock:
        sock.connect(endpoint)
        while True:
            sock.send(sock.recv())


def ask_rep(ctx: Any, endpoint: str) -> float:
    """Seconds for `REQUESTS` requests, one after the other, on one REQ."""
    with ctx.socket(zmq.REQ) as sock:
        sock.connect(endpoint)
        for n in range(WARM + REQUESTS):
            if n == WARM:
                since = time.perf_counter()
            sock.send(BODY)
            assert sock.recv() == BODY
    return time.perf_counter() - since


def ask_majordomo(ctx: Any, endpoint: str) -> float:
    """The same of Majordomo's blocking client."""
    core = Client(endpoint, b"echo", [[BODY]] * (WARM + REQUESTS), timeout=WAIT)
    for n, reply in zip(range(WARM + REQUESTS), run(ctx, core), strict=False):
        assert reply == [BODY]
        if n == WARM - 1:
            since = time.perf_counter()
    return time.perf_counter() - since


def prepare(stage: Stage, way: str) -> Any:
    """Set up one way on a stage of its own; call what is returned for a turn: it gives requests a second."""
    endpoint = stage.endpoint("front")
    if way == "REQ/REP":
        stage.spawn("bench:proxy", endpoint, stage.endpoint("back"))
        stage.spawn("bench:server", stage.endpoint("back"))
        ask = "bench:ask_rep"
    else:
        stage.spawn(broker, endpoint)
        stage.spawn(worker, "echo", endpoint)
        ask = "bench:ask_majordomo"
    return lambda: REQUESTS / stage.spawn(ask, endpoint).result(WAIT)


def main() -> None:
    with Stage() as plain, Stage() as ours, Stage(trace.Context(Recording())) as traced:
        ways = {
            "REQ/REP through zmq.proxy": prepare(plain, "REQ/REP"),
            "Majordomo": prepare(ours, "Majordomo"),
            "Majordomo, traced": prepare(traced, "Majordomo"),
        }
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, turn in ways.items():
                rates[way].append(turn())
    base, ours_alone, with_trace = rates.values()
    print(f"{'requests a second, as a ratio':40} median  least  most   ({ROUNDS} rounds of {REQUESTS:,})")
    for what, over, under in [
        ("Majordomo to REQ/REP through zmq.proxy", ours_alone, base),
        ("Majordomo, traced to untraced", with_trace, ours_alone),
    ]:
        ratios = [a / b for a, b in zip(over, under, strict=True)]
        print(f"{what:40} {statistics.median(ratios):6.2f} {min(ratios):6.2f} {max(ratios):5.2f}")


if __name__ == "__main__":
    main()
