# SPDX-License-Identifier: BSD-3-Clause
"""Load balancing: a broker gives each request to the worker that has been free for longest, and one at a time.

    client REQ ---request---> ROUTER broker ROUTER <---READY, then replies--- REQ worker
               <----reply----                      -------request------->

    python -m patterns.load_balancing broker
    python -m patterns.load_balancing worker
    python -m patterns.load_balancing client tea milk

Frames: a worker says [READY], gets [client][][request] and says [client][][reply]; REQ puts its empty delimiter before
each, ROUTER the sender's routing id before that. A DEALER may be a worker, too, if it plays the delimiter itself.
[client] is all that stands before the delimiter, as for a REP: behind several brokers it is several ids.
Left out: to notice that a worker died or a connection is half open. `lazy_pirate` asks again, `majordomo` watches.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 3, "A Load Balancing Message Broker".
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import zmq

FRONTEND = "tcp://127.0.0.1:5561"  # for clients
BACKEND = "tcp://127.0.0.1:5562"  # for workers
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
MORE, POLLIN = int(zmq.SNDMORE), int(zmq.POLLIN)  # plain numbers: the broker's loop needs them for every frame

# What each trouble, of a worker or its connection, does to one exchange; the test beside it shows it.
GUARANTEES = {
    "crash": ("blocked", "test_a_worker_that_dies_takes_the_request_in_its_hands_with_it"),
    "freeze": ("blocked", "test_only_the_request_of_a_frozen_worker_waits_until_it_thaws"),
    "cut": ("blocked", "test_a_reply_on_a_connection_that_is_cut_is_lost"),
    "slow": ("safe", "test_a_slow_worker_delays_one_request_and_no_other"),
    "restart": ("blocked", "test_a_restarted_worker_gets_new_requests_and_not_the_old_one"),
}
# Blocked: the client waits, for ever unless the worker was only frozen. At most once, for fail-stop workers. A worker
# that dies while it is free costs a request as well: the next that is its turn.
# Use something else when workers die (`majordomo`) or one request after the other may go to the same server.


def upper(request: bytes) -> bytes:
    """The service that a worker offers unless it is given another: the request in capitals."""
    return request.upper()


def client(ctx: zmq.Context[Any], *requests: str, frontend: str = FRONTEND) -> list[str]:
    """Ask each request in turn and return the replies. Waits for each reply as long as it takes.

    Of a reply the first frame counts; a byte in it that is no UTF-8 is shown as such: \\xff.
    """
    replies = []
    with ctx.socket(zmq.REQ) as socket:
        socket.linger = 0  # a question nobody waits for is not worth delivering
        socket.connect(frontend)
        for request in requests:
            socket.send_string(request)
            reply, *_ = socket.recv_multipart()
            replies.append(reply.decode(errors="backslashreplace"))
    return replies


def broker(ctx: zmq.Context[Any], frontend: str = FRONTEND, backend: str = BACKEND) -> None:
    """Give each client's request to the worker that has been free for longest, and its reply back, for ever.

    While no worker is free no request is read. They wait in the sockets, up to the high-water marks of each client and
    of this end, and then the client itself has to wait. A client that asks and asks and does not read loses the replies
    for which its queues have no room. What does not have the frames it should have is dropped.
    """
    ready: OrderedDict[bytes, None] = OrderedDict()  # a line of workers; who says READY twice stands in it once
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.linger = back.linger = LINGER
        front.bind(frontend)
        back.bind(backend)
        either = zmq.Poller()
        either.register(front, POLLIN)
        either.register(back, POLLIN)
        while True:
            heard = dict(either.poll()) if ready else [back]
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY"]:
                        ready[worker] = None
                    case [worker, b"", _, *rest] as message if b"" in rest[:-1]:
                        ready[worker] = None
                        pass_on(front, message[2:])
            if front in heard:
                match front.recv_multipart():
                    case [_, *rest] as message if b"" in rest[:-1]:
                        worker, _ = ready.popitem(last=False)
                        pass_on(back, [worker, b"", *message])


def pass_on(socket: zmq.Socket[bytes], frames: list[bytes]) -> None:
    """As `send_multipart`, without its look at the type of each frame: these have come from a socket."""
    for frame in frames[:-1]:
        socket.send(frame, MORE)
    socket.send(frames[-1])


def worker(
    ctx: zmq.Context[Any], backend: str = BACKEND, work: Callable[[bytes], bytes] = upper, seconds: float = 0.0
) -> None:
    """Say READY, then answer request after request with `work` of its frames, for ever.

    To the broker a reply says READY as well. `seconds` is how long a request takes besides: simulated work.
    """
    if seconds < 0:
        raise ValueError(f"seconds: expected 0 or more, got {seconds!r}")
    with ctx.socket(zmq.REQ) as socket:
        socket.linger = LINGER
        socket.connect(backend)
        socket.send(b"READY")
        while True:
            match socket.recv_multipart():
                case [_, *rest] as message if b"" in rest[:-1]:
                    body = message.index(b"") + 1
                    time.sleep(seconds)
                    socket.send_multipart([*message[:body], *map(work, message[body:])])
                case _:  # not for us, and a REQ has to say something before it may hear again
                    socket.send(b"READY")


if __name__ == "__main__":
    from .play import play

    play(client, broker, worker)
