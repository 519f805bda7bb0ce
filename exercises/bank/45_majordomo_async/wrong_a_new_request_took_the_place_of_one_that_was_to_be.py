# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a new request took the place of one that was to be asked again.

import math
import time

import zmq


def ask(ctx, endpoint, service, requests, window, timeout, tries):
    replies = [None] * len(requests)
    asked = [0] * len(requests)
    waiting = list(range(len(requests)))
    under = {}  # socket -> (number, end, parts)
    poller = zmq.Poller()

    def begin(number):
        socket = ctx.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(endpoint)
        socket.send_multipart([b"MDPC02", b"\x01", service, *requests[number]])
        poller.register(socket, zmq.POLLIN)
        asked[number] += 1
        under[socket] = number, time.monotonic() + timeout, []

    def close(socket):
        poller.unregister(socket)
        socket.close()
        return under.pop(socket)

    def take(socket):
        match socket.recv_multipart():
            case [b"MDPC02", b"\x02" | b"\x03" as command, name, *part] if name == service and part:
                number, _, parts = under[socket]
                parts.append(part)
                under[socket] = number, time.monotonic() + timeout, parts
                if command == b"\x03":
                    replies[number] = parts
                    close(socket)

    while waiting or under:
        while waiting and len(under) < window:
            begin(waiting.pop(0))
        left = min(end for _, end, _ in under.values()) - time.monotonic()
        for socket, _ in poller.poll(math.ceil(max(0, left) * 1000)):
            take(socket)
        for socket, (number, end, _) in list(under.items()):
            if end <= time.monotonic():
                close(socket)
                if asked[number] < tries:
                    waiting.append(number)
    return replies
