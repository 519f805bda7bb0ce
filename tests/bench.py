# SPDX-License-Identifier: BSD-3-Clause
"""How fast, as ratios measured in one run: what `make bench` prints in about a minute.

Each row is one way of ours beside a limit: the same traffic through libzmq's own loop, or between bare sockets. Both
take turns in one run, each in processes of its own on this machine, over ipc where there is one. Seconds differ from
machine to machine and from hour to hour; the ratio of two ways that take turns hardly does. It is the median over the
rounds, with the least and the greatest beside it. What the limit did a second stands last, to tell how high it is.
"""

import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import zmq  # noqa: E402

from diagrams import trace  # noqa: E402
from diagrams.recording import Recording  # noqa: E402
from patterns import binary_star, cluster, freelance, load_balancing, majordomo_v2, paranoid_pirate  # noqa: E402
from patterns.clone import PAIRS, Replica, Server  # noqa: E402
from patterns.majordomo import CLIENT, READY, REPLY, WORKER, Client, broker, worker  # noqa: E402
from patterns.shell import AT_ONCE, NEVER, Close, Effect, Open, Result, Send, arun, run, serve  # noqa: E402
from patterns.simulation import Network  # noqa: E402
from patterns.stage import Stage  # noqa: E402

ROUNDS = 9  # how often each way has its turn
REQUESTS, WARM = 500, 50  # of one turn, one after the other, after the first ones
KEYS = 100_000  # of one snapshot
MANY, FLIGHT, WORKERS = 5000, 200, 8  # of one turn, so many at once, and who answers them
WAIT = 30.0  # seconds for one turn
BODY = random.Random(1).randbytes(64)

Way = Callable[[Stage], Callable[[], float]]  # set up on a stage; call what is returned for a turn: so many a second


# -- one request after the other ----------------------------------------------------------------------------------


def proxy(ctx: Any, frontend: str, backend: str) -> None:
    """ROUTER and DEALER, and libzmq's own loop between them."""
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.DEALER) as back:
        front.bind(frontend)
        back.bind(backend)
        zmq.proxy(front, back)


@contextmanager
def several(ctx: Any, kind: int, endpoint: str, count: int) -> Iterator[Any]:
    """A poller with so many sockets of a type, all connected."""
    with ExitStack() as stack:
        poller = zmq.Poller()
        for _ in range(count):
            sock = stack.enter_context(ctx.socket(kind))
            sock.connect(endpoint)
            poller.register(sock, zmq.POLLIN)
        yield poller


def servers(ctx: Any, endpoint: str, count: int) -> None:
    """So many REPs in one loop; each gives back what it gets."""
    with several(ctx, zmq.REP, endpoint, count) as poller:
        while True:
            for sock, _ in poller.poll():
                sock.send(sock.recv())


def ask_rep(ctx: Any, endpoint: str) -> float:
    """Requests a second of one REQ."""
    with ctx.socket(zmq.REQ) as sock:
        sock.connect(endpoint)
        for n in range(WARM + REQUESTS):
            if n == WARM:
                since = time.perf_counter()
            sock.send(BODY)
            assert sock.recv() == BODY
    return REQUESTS / (time.perf_counter() - since)


def ask_majordomo(ctx: Any, endpoint: str) -> float:
    """The same of Majordomo's blocking client."""
    core = Client(endpoint, b"echo", [[BODY]] * (WARM + REQUESTS), timeout=WAIT)
    for n, reply in zip(range(WARM + REQUESTS), run(ctx, core), strict=False):
        assert reply == [BODY]
        if n == WARM - 1:
            since = time.perf_counter()
    return REQUESTS / (time.perf_counter() - since)


def through_proxy(stage: Stage) -> Callable[[], float]:
    stage.spawn("bench:proxy", stage.endpoint("front"), stage.endpoint("back"))
    stage.spawn("bench:servers", stage.endpoint("back"), 1)
    return lambda: float(stage.spawn("bench:ask_rep", stage.endpoint("front")).result(WAIT))


def through_majordomo(stage: Stage) -> Callable[[], float]:
    stage.spawn(broker, stage.endpoint("front"))
    stage.spawn(worker, "echo", stage.endpoint("front"))
    return lambda: float(stage.spawn("bench:ask_majordomo", stage.endpoint("front")).result(WAIT))


def through_load_balancing(stage: Stage) -> Callable[[], float]:
    stage.spawn(load_balancing.broker, stage.endpoint("front"), stage.endpoint("back"))
    stage.spawn(load_balancing.worker, stage.endpoint("back"), bytes)
    return lambda: float(stage.spawn("bench:ask_rep", stage.endpoint("front")).result(WAIT))


# -- many requests in flight --------------------------------------------------------------------------------------


def echoes(ctx: Any, endpoint: str, count: int) -> None:
    """So many workers of Majordomo's in one loop, as bare as `servers`."""
    with several(ctx, zmq.DEALER, endpoint, count) as poller:
        for sock, _ in poller.sockets:
            sock.send_multipart([b"", WORKER, READY, b"echo"])
        while True:
            for sock, _ in poller.poll():
                if len(frames := sock.recv_multipart()) > 3:  # no heartbeat
                    sock.send_multipart([b"", WORKER, REPLY, *frames[3:]])
                else:
                    sock.send_multipart(frames)


def ask_many(ctx: Any, endpoint: str, *head: bytes) -> float:
    """Requests a second of one DEALER that has `FLIGHT` of them under way; `head` stands in front of the body."""
    with ctx.socket(zmq.DEALER) as sock:
        sock.connect(endpoint)
        since, sent = time.perf_counter(), 0
        for done in range(MANY):
            while sent < min(MANY, done + FLIGHT):
                sock.send_multipart([*head, BODY])
                sent += 1
            assert sock.recv_multipart()[-1] == BODY
    return MANY / (time.perf_counter() - since)


def many_through_proxy(stage: Stage) -> Callable[[], float]:
    stage.spawn("bench:proxy", stage.endpoint("front"), stage.endpoint("back"))
    stage.spawn("bench:servers", stage.endpoint("back"), WORKERS)
    return lambda: float(stage.spawn("bench:ask_many", stage.endpoint("front"), b"").result(WAIT))


def many_through_majordomo(stage: Stage) -> Callable[[], float]:
    stage.spawn(broker, stage.endpoint("front"))
    stage.spawn("bench:echoes", stage.endpoint("front"), WORKERS)
    head = (b"", CLIENT, b"echo")
    return lambda: float(stage.spawn("bench:ask_many", stage.endpoint("front"), *head).result(WAIT))


# -- processor time of who stands between -------------------------------------------------------------------------


def paid(pid: int) -> float:
    """Seconds of processor time that a process has had, all its threads together (Linux: its own clock)."""
    return time.clock_gettime(~pid << 3 | 2)


def dealers(ctx: Any, endpoint: str, count: int) -> None:
    """So many workers of PPP in one loop; each gives back what it gets, and a heartbeat for a heartbeat."""
    with several(ctx, zmq.DEALER, endpoint, count) as poller:
        for sock, _ in poller.sockets:
            sock.send(paranoid_pirate.READY)
        while True:
            for sock, _ in poller.poll():
                sock.send_multipart(sock.recv_multipart())


def passing(ctx: Any, frontend: str, backend: str) -> None:
    """The frames of PPP through a bare loop: each request to a worker that is idle, and nothing is looked at."""
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(front, zmq.POLLIN)
        poller.register(back, zmq.POLLIN)
        idle = deque[bytes]()
        while True:
            ready = dict(poller.poll()) if idle else [back]
            if back in ready:
                worker, *frames = back.recv_multipart()
                idle.append(worker)
                if len(frames) > 1:  # no READY
                    front.send_multipart(frames)
            if front in ready:
                back.send_multipart([idle.popleft(), *front.recv_multipart()])


def hands(ctx: Any, endpoint: str, count: int) -> None:
    """So many workers of a cluster's broker in one loop; each gives back what it gets."""
    with several(ctx, zmq.DEALER, endpoint, count) as poller:
        for sock, _ in poller.sockets:
            sock.send_multipart([b"", b"READY"])
        while True:
            for sock, _ in poller.poll():
                sock.send_multipart(sock.recv_multipart())


def sharing(ctx: Any, frontend: str, backend: str) -> None:
    """The broker of a cluster that has no peers."""
    ends = {"localfe": frontend, "localbe": backend}
    cluster.broker(ctx, "A", place=lambda _, name: ends.get(name, f"inproc://{name}"))


def paying(middle: Any, workers: str = "bench:dealers", *head: bytes) -> Way:
    """Requests a second of the processor time of `middle`, two ROUTERs between clients and `workers`."""

    def way(stage: Stage) -> Callable[[], float]:
        between = stage.spawn(middle, *ends(stage, "front", "back"))
        stage.spawn(workers, stage.endpoint("back"), WORKERS)

        def turn() -> float:
            before = paid(between.pid)
            stage.spawn("bench:ask_many", stage.endpoint("front"), b"", *head).result(WAIT)
            return MANY / (paid(between.pid) - before)

        return turn

    return way


def dealers_v2(ctx: Any, endpoint: str, count: int) -> None:
    """So many workers of MDP 0.2 in one loop; each gives back what it gets, and a heartbeat for a heartbeat."""
    head = [majordomo_v2.WORKER, majordomo_v2.FINAL]
    with several(ctx, zmq.DEALER, endpoint, count) as poller:
        for sock, _ in poller.sockets:
            sock.send_multipart([majordomo_v2.WORKER, majordomo_v2.READY, b"echo"])
        while True:
            for sock, _ in poller.poll():
                frames = sock.recv_multipart()
                sock.send_multipart([*head, *frames[2:]] if len(frames) > 2 else frames)


def ask_apart(ctx: Any, endpoint: str) -> float:
    """Requests a second of `FLIGHT` DEALERs, each of which has one of them under way."""
    request = [majordomo_v2.CLIENT, majordomo_v2.C_REQUEST, b"echo", BODY]
    with several(ctx, zmq.DEALER, endpoint, FLIGHT) as poller:
        since, sent, done = time.perf_counter(), FLIGHT, 0
        for sock, _ in poller.sockets:
            sock.send_multipart(request)
        while done < MANY:
            for sock, _ in poller.poll():
                assert sock.recv_multipart()[-1] == BODY
                done += 1
                if sent < MANY:
                    sock.send_multipart(request)
                    sent += 1
    return MANY / (time.perf_counter() - since)


def passing_v2(ctx: Any, endpoint: str) -> None:
    """The frames of MDP 0.2 through a bare loop: each request to a worker that is idle, and nothing is looked at."""
    with ctx.socket(zmq.ROUTER) as peers:
        peers.bind(endpoint)
        idle, waiting = deque[bytes](), deque[list[bytes]]()
        while True:
            peer, header, command, *frames = peers.recv_multipart()
            if header == majordomo_v2.CLIENT:
                waiting.append([peer, b"", *frames[1:]])
            else:
                idle.append(peer)
                if command == majordomo_v2.FINAL:
                    client, _, *body = frames
                    peers.send_multipart([client, majordomo_v2.CLIENT, majordomo_v2.C_FINAL, b"echo", *body])
            if idle and waiting:
                peers.send_multipart([idle.popleft(), majordomo_v2.WORKER, majordomo_v2.REQUEST, *waiting.popleft()])


def paying_v2(middle: Any) -> Way:
    """Requests a second of the processor time of `middle`, one ROUTER between clients and workers of MDP 0.2."""

    def way(stage: Stage) -> Callable[[], float]:
        between = stage.spawn(middle, stage.endpoint("front"))
        stage.spawn("bench:dealers_v2", stage.endpoint("front"), WORKERS)

        def turn() -> float:
            before = paid(between.pid)
            stage.spawn("bench:ask_apart", stage.endpoint("front")).result(WAIT)
            return MANY / (paid(between.pid) - before)

        return turn

    return way


def starring(ctx: Any, endpoint: str) -> None:
    """One of two around a core that gives back what it gets; its peer is dead."""
    pair = binary_star.Pair(Mirror(endpoint), binary_star.State.PRIMARY, "inproc://mine", "inproc://peer")
    for _ in run(ctx, pair):
        pass


def mirroring(role: str) -> Way:
    """Requests a second of the processor time of a server that gives back what it gets."""

    def way(stage: Stage) -> Callable[[], float]:
        server, front = stage.spawn(f"bench:{role}", stage.endpoint("front")), stage.endpoint("front")
        stage.play(binary_star.ask, BODY, [front], 0.5, 60).result(WAIT)  # a vote, and it is active

        def turn() -> float:
            before = paid(server.pid)
            stage.spawn("bench:ask_many", front, b"").result(WAIT)
            return MANY / (paid(server.pid) - before)

        return turn

    return way


def giving_back(ctx: Any, endpoint: str) -> None:
    """A bare server of FLP that looks at nothing."""
    with ctx.socket(zmq.ROUTER) as router:
        router.routing_id = endpoint.encode()
        router.bind(endpoint)
        while True:
            router.send_multipart(router.recv_multipart())


def serving(server: Any) -> Way:
    """Requests a second of the processor time of a server of FLP."""

    def way(stage: Stage) -> Callable[[], float]:
        serves = stage.spawn(server, *ends(stage, "server"))

        def turn() -> float:
            before = paid(serves.pid)
            stage.spawn("bench:ask_many", *ends(stage, "server"), b"1").result(WAIT)
            return MANY / (paid(serves.pid) - before)

        return turn

    return way


def asking(ctx: Any, endpoint: str) -> float:
    """Questions a second of the processor time of a caller of ours and its agent, one after the other."""
    with freelance.freelance(ctx, endpoint) as ask:
        ask(BODY)
        since = time.process_time()
        for _ in range(MANY):
            ask(BODY)
        return MANY / (time.process_time() - since)


def asking_bare(ctx: Any, endpoint: str) -> float:
    """The same of one bare ROUTER."""
    with ctx.socket(zmq.ROUTER) as router:
        router.connect(endpoint)
        while not router.poll(10):
            router.send_multipart([endpoint.encode(), b"1", BODY])
        since = time.process_time()
        for _ in range(MANY):
            router.send_multipart([endpoint.encode(), b"1", BODY])
            router.recv_multipart()
        return MANY / (time.process_time() - since)


def questions(caller: str) -> Way:
    def way(stage: Stage) -> Callable[[], float]:
        stage.spawn("bench:giving_back", *ends(stage, "server"))
        return lambda: float(stage.spawn(caller, *ends(stage, "server")).result(WAIT))

    return way


# -- a state and its replica --------------------------------------------------------------------------------------


def numbered(count: int) -> dict[bytes, bytes]:
    return {b"key %d" % n: BODY for n in range(count)}


def keeper(ctx: Any, updates: str, snapshots: str, changes: str, keys: int) -> None:
    serve(ctx, Server(updates, snapshots, changes, numbered(keys), interval=0.05))


def speaker(ctx: Any, updates: str, changes: str) -> None:
    """What comes in goes out with a number, from a PULL to a PUB; now and then a word that says where we are."""
    with ctx.socket(zmq.PUB) as pub, ctx.socket(zmq.PULL) as pull:
        pub.bind(updates)
        pull.bind(changes)
        for number in range(1 << 62):
            while not pull.poll(50):
                pub.send_multipart([b"HUGZ", number.to_bytes(8), b""])
            key, value = pull.recv_multipart()
            pub.send_multipart([key, number.to_bytes(8), value])


def storekeeper(ctx: Any, snapshots: str, keys: int) -> None:
    """Batches of a state for whoever asks for the one from a number on."""
    frames = [frame for pair in numbered(keys).items() for frame in pair]
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(snapshots)
        while True:
            who, first = router.recv_multipart()
            router.send_multipart([who, *frames[2 * int(first) : 2 * (int(first) + PAIRS)]])


def follow(ctx: Any, updates: str, snapshots: str, changes: str) -> float:
    """Updates a second that a replica applies, `FLIGHT` of them under way."""
    states = run(ctx, Replica(updates, snapshots, interval=0.05))
    return changing(ctx, changes, (state.get(b"changed", b"") for state in states))


def listen(ctx: Any, updates: str, snapshots: str, changes: str) -> float:
    """Updates a second that a bare SUB receives."""
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(b"")
        sub.connect(updates)
        return changing(ctx, changes, (sub.recv_multipart()[2] for _ in iter(int, 1)))


def changing(ctx: Any, changes: str, seen: Iterator[bytes]) -> float:
    """Change one value `MANY` times, never more than `FLIGHT` ahead of what is `seen`, and return changes a second."""
    with ctx.socket(zmq.PUSH) as push:
        push.connect(changes)
        next(seen)  # it hears the updates
        since = time.perf_counter()
        for done in range(0, MANY, FLIGHT):
            for number in range(done, done + FLIGHT):
                push.send_multipart([b"changed", b"%d" % number])
            last = b"%d" % (done + FLIGHT - 1)
            while next(seen) != last:
                pass
        return MANY / (time.perf_counter() - since)


def fetch(ctx: Any, updates: str, snapshots: str) -> float:
    """Keys a second of a replica's first snapshot."""
    since = time.perf_counter()
    assert len(next(run(ctx, Replica(updates, snapshots, interval=0.05)))) == KEYS
    return KEYS / (time.perf_counter() - since)


def carry(ctx: Any, updates: str, snapshots: str) -> float:
    """The same by a bare DEALER that asks for batch after batch."""
    since, state = time.perf_counter(), {}
    with ctx.socket(zmq.DEALER) as dealer:
        dealer.connect(snapshots)
        while len(state) < KEYS:
            dealer.send(b"%d" % len(state))
            frames = dealer.recv_multipart()
            state.update(zip(frames[::2], frames[1::2], strict=True))
    return KEYS / (time.perf_counter() - since)


# -- one core under each shell ------------------------------------------------------------------------------------


class Asker:
    """A core that keeps so many requests under way until `REQUESTS` are answered."""

    def __init__(self, endpoint: str, under_way: int) -> None:
        self.endpoint, self.under_way, self.sent, self.done = endpoint, under_way, under_way, 0
        self.deadline = AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        self.deadline = NEVER
        return [Open("server", zmq.DEALER, self.endpoint), *[Send("server", [BODY])] * self.under_way]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        self.done += 1
        more = self.sent < REQUESTS
        self.sent += more
        return [Close("server"), Result(self.done)] if self.done == REQUESTS else [Send("server", [BODY])] * more


class Mirror:
    """A core that gives back what it gets."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint, self.deadline = endpoint, AT_ONCE

    def tick(self, now: float) -> list[Effect]:
        self.deadline = NEVER
        return [Open("clients", zmq.ROUTER, self.endpoint, bind=True)]

    def receive(self, socket: str, frames: list[bytes], now: float) -> list[Effect]:
        return [Send("clients", frames)]


def mirror(ctx: Any, endpoint: str) -> None:
    with ctx.socket(zmq.ROUTER) as router:
        router.bind(endpoint)
        while True:
            router.send_multipart(router.recv_multipart())


def blocking(ctx: Any, endpoint: str, under_way: int) -> float:
    """Requests a second of a core under the blocking shell."""
    since = time.perf_counter()
    assert next(run(ctx, Asker(endpoint, under_way))) == REQUESTS
    return REQUESTS / (time.perf_counter() - since)


async def awaiting(ctx: Any, endpoint: str, under_way: int) -> float:
    """The same under asyncio."""
    since = time.perf_counter()
    async with aclosing(arun(ctx, Asker(endpoint, under_way))) as results:
        assert await anext(results) == REQUESTS
    return REQUESTS / (time.perf_counter() - since)


def simulating(under_way: int) -> float:
    """The same in the simulation, the server included."""
    since, network = time.perf_counter(), Network(seed=1)
    network.play("server", lambda: Mirror("server"))
    network.play("client", lambda: Asker("server", under_way))
    network.run(until=REQUESTS)
    assert network.results["client"] == [REQUESTS]
    return REQUESTS / (time.perf_counter() - since)


def under(role: str, under_way: int) -> Way:
    """One of these shells, on real sockets, with a server that is as quick as it can be."""

    def way(stage: Stage) -> Callable[[], float]:
        stage.spawn("bench:mirror", stage.endpoint("front"))
        return lambda: float(stage.spawn(f"bench:{role}", stage.endpoint("front"), under_way).result(WAIT))

    return way


def ends(stage: Stage, *names: str) -> list[str]:
    return [stage.endpoint(name) for name in names]


def updates_of_clone(stage: Stage) -> Callable[[], float]:
    where = ends(stage, "updates", "snapshots", "changes")
    stage.spawn("bench:keeper", *where, 1)
    return lambda: float(stage.spawn("bench:follow", *where).result(WAIT))


def updates_bare(stage: Stage) -> Callable[[], float]:
    where = ends(stage, "updates", "snapshots", "changes")
    stage.spawn("bench:speaker", where[0], where[2])
    return lambda: float(stage.spawn("bench:listen", *where).result(WAIT))


def snapshots_of_clone(stage: Stage) -> Callable[[], float]:
    where = ends(stage, "updates", "snapshots", "changes")
    stage.spawn("bench:keeper", *where, KEYS)
    return lambda: float(stage.spawn("bench:fetch", *where[:2]).result(WAIT))


def snapshots_bare(stage: Stage) -> Callable[[], float]:
    where = ends(stage, "updates", "snapshots")
    stage.spawn("bench:storekeeper", where[1], KEYS)
    return lambda: float(stage.spawn("bench:carry", *where).result(WAIT))


def traced() -> Stage:
    return Stage(trace.Context(Recording()))


# What is measured, on what, against what.
ROWS: list[tuple[str, Way, Callable[[], Stage], Way]] = [
    ("Majordomo to REQ/REP through zmq.proxy", through_majordomo, Stage, through_proxy),
    ("... traced to untraced", through_majordomo, traced, through_majordomo),
    ("load balancing to REQ/REP through zmq.proxy", through_load_balancing, Stage, through_proxy),
    ("Majordomo to zmq.proxy, many in flight", many_through_majordomo, Stage, many_through_proxy),
    ("Paranoid Pirate to a bare loop, CPU time", paying(paranoid_pirate.queue), Stage, paying("bench:passing")),
    (
        "a cluster's broker to a bare loop, CPU time",
        paying("bench:sharing", "bench:hands", b"AGAIN"),
        Stage,
        paying("bench:passing"),
    ),
    ("Majordomo 0.2 to a bare loop, CPU time", paying_v2(majordomo_v2.broker), Stage, paying_v2("bench:passing_v2")),
    ("Binary Star to a bare loop, CPU time", mirroring("starring"), Stage, mirroring("mirror")),
    ("Freelance's server to a bare loop, CPU time", serving(freelance.server), Stage, serving("bench:giving_back")),
    ("... caller and agent to a bare ROUTER", questions("bench:asking"), Stage, questions("bench:asking_bare")),
    ("clone, updates to bare PUB/SUB", updates_of_clone, Stage, updates_bare),
    ("clone, snapshot to bare DEALER/ROUTER", snapshots_of_clone, Stage, snapshots_bare),
    ("a core under asyncio to one that blocks", under("awaiting", 1), Stage, under("blocking", 1)),
    ("... a hundred requests under way", under("awaiting", 100), Stage, under("blocking", 100)),
    ("... in the simulation", lambda stage: partial(simulating, 100), Stage, under("blocking", 100)),
]


def main() -> None:
    print(f"{'a second, as a ratio':44} median  least   most  the limit     ({ROUNDS} rounds)")
    for what, ours, stage, limit in ROWS:
        with stage() as here, Stage() as there:
            turns = ours(here), limit(there)
            rates = [[turn() for turn in turns] for _ in range(ROUNDS)]
        ratios = [a / b for a, b in rates]
        median = statistics.median(limit for _, limit in rates)
        print(f"{what:44} {statistics.median(ratios):6.2f} {min(ratios):6.2f} {max(ratios):6.2f} {median:10,.0f}")


if __name__ == "__main__":
    main()
