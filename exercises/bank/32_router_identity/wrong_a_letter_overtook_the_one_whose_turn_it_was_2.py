# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a letter overtook the one whose turn it was.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = True
        router.router_handover = True
        router.bind(endpoint)
        waiting = list(letters)
        deadline = time.monotonic() + patience
        while waiting and time.monotonic() < deadline:
            still = []
            for name, text in waiting:
                try:
                    router.send_multipart([name, text])
                    deadline = time.monotonic() + patience
                except zmq.ZMQError as error:
                    if error.errno != zmq.EHOSTUNREACH:
                        raise
                    still.append((name, text))
            waiting = still
            time.sleep(0.005)
        return waiting
