# SPDX-License-Identifier: BSD-3-Clause
# Not yet: two letters that are alike were taken for one.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = True
        router.router_handover = True
        router.sndhwm = 0
        router.bind(endpoint)
        for name, text in letters:
            deadline = time.monotonic() + patience
            while True:
                try:
                    router.send_multipart([name, text], zmq.DONTWAIT)
                    break
                except zmq.ZMQError as error:
                    if error.errno not in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                        raise
                left = deadline - time.monotonic()
                if left <= 0:
                    if (name, text) not in undelivered:
                        undelivered.append((name, text))
                    break
                router.poll(min(5, left * 1000))
    return undelivered
