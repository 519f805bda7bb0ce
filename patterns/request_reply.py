# SPDX-License-Identifier: BSD-3-Clause
"""Request-reply: a client asks, a server answers, strictly in turn.

    client REQ ---request---> REP server
               <---reply-----

    python -m patterns.request_reply server
    python -m patterns.request_reply client hello

Frames: the applications see [request] and [reply]; on the wire an empty delimiter stands in front of each (RFC 28).
Left out: time limits and retries. A client whose request or reply is lost, or whose connection is half open, waits for
ever: see `lazy_pirate`.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 1, "Ask and Ye Shall Receive".
"""

from collections.abc import Callable
from typing import Any

import zmq

ENDPOINT = "tcp://127.0.0.1:5555"
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever

# What each trouble does to one exchange; the test beside it shows it.
GUARANTEES = {
    "crash": ("blocked", "test_a_client_whose_server_dies_with_the_request_waits_for_ever"),
    "freeze": ("blocked", "test_a_client_whose_server_is_frozen_waits_until_it_thaws"),
    "cut": ("blocked", "test_a_client_whose_reply_is_cut_off_waits_for_ever"),
    "slow": ("safe", "test_a_slow_server_is_waited_for"),
    "restart": ("blocked", "test_a_restarted_server_does_not_know_the_old_request"),
}
# In the textbook's words: at most once, for a fail-stop server that the client cannot tell from a slow one.
# Use something else when the client must come back: `lazy_pirate` gives up and asks again.


def upper(request: bytes) -> bytes:
    """The service that the server offers unless it is given another: the request in capitals."""
    return request.upper()


def server(ctx: zmq.Context[Any], endpoint: str = ENDPOINT, work: Callable[[bytes], bytes] = upper) -> None:
    """Answer each request with `work` of its frames, for ever, one request at a time.

    A peer that keeps asking and never reads loses the replies for which its queues have no room.
    """
    with ctx.socket(zmq.REP) as socket:
        socket.linger = LINGER
        socket.bind(endpoint)
        while True:
            request = socket.recv_multipart()
            socket.send_multipart([work(frame) for frame in request])


def client(ctx: zmq.Context[Any], *requests: str, endpoint: str = ENDPOINT) -> list[str]:
    """Ask each request in turn and return the replies. Waits for each reply as long as it takes.

    Only the first frame of a reply counts; a byte in it that is not UTF-8 is shown escaped: \\xff.
    """
    replies = []
    with ctx.socket(zmq.REQ) as socket:
        socket.linger = 0  # a question nobody waits for is not worth delivering
        socket.connect(endpoint)
        for request in requests:
            socket.send_string(request)
            reply, *_ = socket.recv_multipart()
            replies.append(reply.decode(errors="backslashreplace"))
    return replies


if __name__ == "__main__":
    from .play import play

    play(server, client)
