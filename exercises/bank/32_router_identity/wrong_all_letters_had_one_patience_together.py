# SPDX-License-Identifier: BSD-3-Clause
# Not yet: all letters had one patience together.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = True
        router.router_handover = True
        router.sndhwm = 0
        router.bind(endpoint)
        deadline = time.monotonic() + patience
        for name, text in letters:
            while True:
                try:
                    router.send_multipart([name, text], zmq.DONTWAIT)
                    break
                except zmq.ZMQError as error:
                    if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                        raise
                left = deadline - time.monotonic()
                if left <= 0:
                    undelivered.append((name, text))
                    break
                router.poll(min(5, left * 1000))
    return undelivered
