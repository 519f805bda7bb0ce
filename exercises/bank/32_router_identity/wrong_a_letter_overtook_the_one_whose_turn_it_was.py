# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a letter overtook the one whose turn it was.

import time

import zmq


def deliver(ctx, endpoint, letters, patience):
    left, waiting = [], list(letters)
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = 1
        router.router_handover = 1
        router.bind(endpoint)

        def attempt(letter):
            try:
                router.send_multipart(letter)
                return True
            except zmq.ZMQError:
                return False

        while waiting:
            head, end = waiting[0], time.monotonic() + patience
            while head in waiting and time.monotonic() < end:
                waiting = [each for each in waiting if not attempt(each)]
                time.sleep(0.005)
            if head in waiting:
                left.append(waiting.pop(0))
    return left
