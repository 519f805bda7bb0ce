# SPDX-License-Identifier: BSD-3-Clause
"""What a broker pays when more clients come, or more services: the second table of `make bench`, two minutes.

Each client has one request under way. Printed are requests a second of the broker's own processor time, as a ratio to
those with 100 clients and one service in the same round, so that 1.00 means flat; and bytes of memory that the broker
holds for each client more. A lone client pays for a wake-up of the broker with every message; of many the broker takes
several at a time.
"""

import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import zmq  # noqa: E402
from bench import BODY, ends, paid, several  # noqa: E402

from patterns import majordomo, majordomo_v2, paranoid_pirate  # noqa: E402
from patterns.stage import Stage  # noqa: E402

ROUNDS = 3
REQUESTS = 5000  # of one turn
WAIT = 60.0  # seconds for one turn
WORKERS = 100  # whatever the number of services
CLIENTS, SERVICES = (1, 10, 100, 1000), (1, 10, 100)
FLAT = (100, 1)  # clients and services that the others are compared with

Setting = Callable[[Stage, int], tuple[Any, str, list[bytes]]]  # a broker with workers for so many services


def name(number: int) -> bytes:
    """Of a service."""
    return b"echo %d" % number


def crowd(ctx: Any, endpoint: str, clients: int, services: int, head: list[bytes]) -> None:
    """Ask `REQUESTS` times in all. `head` stands in front of the service's name, where there is one, and the body."""
    ctx.set(zmq.MAX_SOCKETS, clients + 10)
    asked, answered = clients, 0
    with several(ctx, zmq.DEALER, endpoint, clients) as poller:
        for number, (sock, _) in enumerate(poller.sockets):
            sock.send_multipart([*head, *([name(number % services)] if services else []), BODY])
        while answered < REQUESTS:
            for sock, _ in poller.poll():
                reply = sock.recv_multipart()
                assert reply[-1] == BODY
                answered += 1
                if asked < REQUESTS:
                    asked += 1
                    sock.send_multipart([*head, *reply[len(head) :]])


def echoes(ctx: Any, endpoint: str, services: int, ready: list[bytes], reply: list[bytes]) -> None:
    """Workers of Majordomo's, spread over so many services, all in one loop; these frames begin what they say."""
    with several(ctx, zmq.DEALER, endpoint, WORKERS) as poller:
        for number, (sock, _) in enumerate(poller.sockets):
            sock.send_multipart([*ready, name(number % services)])
        while True:
            for sock, _ in poller.poll():
                frames = sock.recv_multipart()
                if len(frames) > len(reply):
                    frames[: len(reply)] = reply
                sock.send_multipart(frames)  # a heartbeat for a heartbeat


def of_majordomo(stage: Stage, services: int) -> tuple[Any, str, list[bytes]]:
    head = [b"", majordomo.WORKER]
    middle = stage.spawn(majordomo.broker, *ends(stage, "front"))
    words = [*head, majordomo.READY], [*head, majordomo.REPLY]
    stage.spawn("scale:echoes", stage.endpoint("front"), services, *words)
    return middle, stage.endpoint("front"), [b"", majordomo.CLIENT]


def of_majordomo_v2(stage: Stage, services: int) -> tuple[Any, str, list[bytes]]:
    head = [majordomo_v2.WORKER]
    middle = stage.spawn(majordomo_v2.broker, *ends(stage, "front"))
    words = [*head, majordomo_v2.READY], [*head, majordomo_v2.FINAL]
    stage.spawn("scale:echoes", stage.endpoint("front"), services, *words)
    return middle, stage.endpoint("front"), [majordomo_v2.CLIENT, majordomo_v2.C_REQUEST]


def of_pirates(stage: Stage, services: int) -> tuple[Any, str, list[bytes]]:
    middle = stage.spawn(paranoid_pirate.queue, *ends(stage, "front", "back"))
    stage.spawn("bench:dealers", stage.endpoint("back"), WORKERS)
    return middle, stage.endpoint("front"), [b""]


# A broker, and whether it knows services.
BROKERS: list[tuple[str, Setting, bool]] = [
    ("Majordomo", of_majordomo, True),
    ("Majordomo 0.2", of_majordomo_v2, True),
    ("Paranoid Pirate", of_pirates, False),
]


def turn(setting: Setting, clients: int, services: int) -> tuple[float, int]:
    """Requests a second of the broker's processor time, and how many bytes it holds afterwards."""
    with Stage(deadline=10.0) as stage:
        middle, endpoint, head = setting(stage, services)
        stage.spawn("scale:crowd", endpoint, 1, services, head, name="warm").result(WAIT)
        before = paid(middle.pid)
        stage.spawn("scale:crowd", endpoint, clients, services, head).result(WAIT)
        held = int(Path(f"/proc/{middle.pid}/statm").read_text().split()[1]) * 4096
        return REQUESTS / (paid(middle.pid) - before), held


def main() -> None:
    print(f"\n{'a broker with …':18} clients services  median  least   most   bytes a client")
    for what, setting, knows in BROKERS:
        cells = [(c, s) for c in CLIENTS for s in (SERVICES if knows else (0,)) if s <= c]
        flat = FLAT if knows else (FLAT[0], 0)
        rounds = [{cell: turn(setting, *cell) for cell in cells} for _ in range(ROUNDS)]
        for clients, services in cells:
            ratios = [r[clients, services][0] / r[flat][0] for r in rounds]
            more = [(r[clients, services][1] - r[1, flat[1]][1]) / clients for r in rounds]
            spread = f"{statistics.median(ratios):6.2f} {min(ratios):6.2f} {max(ratios):6.2f}"
            print(f"{what:18} {clients:7} {services or '-':>8}  {spread} {statistics.median(more):12,.0f}")


if __name__ == "__main__":
    main()
