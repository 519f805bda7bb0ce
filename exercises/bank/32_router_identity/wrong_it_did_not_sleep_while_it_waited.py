# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not sleep while it waited.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = 1
        router.router_handover = 1
        router.bind(endpoint)
        for name, text in letters:
            end = time.monotonic() + patience
            while True:
                try:
                    router.send_multipart([name, text], zmq.DONTWAIT)
                    break
                except zmq.ZMQError as error:
                    if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                        raise
                if time.monotonic() >= end:
                    undelivered.append((name, text))
                    break
                again = time.monotonic() + 0.01  # a pause, but an awake one
                while time.monotonic() < again:
                    pass
    return undelivered
