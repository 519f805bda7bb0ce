# SPDX-License-Identifier: BSD-3-Clause
# Not yet: two requests were under way on one socket.

import zmq


def ask(ctx, endpoint, service, requests, window, timeout, tries):
    replies = [[] for _ in requests]
    with ctx.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        for start in range(0, len(requests), window):
            batch = requests[start : start + window]
            for body in batch:
                socket.send_multipart([b"MDPC02", b"\x01", service, *body])
            for number in range(start, start + len(batch)):
                while socket.poll(timeout * 1000):
                    _, command, _, *part = socket.recv_multipart()
                    replies[number].append(part)
                    if command == b"\x03":
                        break
    return replies
