# SPDX-License-Identifier: BSD-3-Clause
# Passed: a thread for each endpoint.

import math
import threading
import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    left = {}

    def give(endpoint):
        with ctx.socket(zmq.PUSH) as push:
            push.immediate, push.sndhwm = True, room
            push.connect(endpoint)
            count, end = 0, time.monotonic() + patience
            while count < len(messages):
                try:
                    push.send(messages[count], zmq.NOBLOCK)
                    count += 1
                except zmq.Again:
                    if not push.poll(math.ceil(max(0, end - time.monotonic()) * 1000), zmq.POLLOUT):
                        break
        left[endpoint] = tuple(messages[count:])

    threads = [threading.Thread(target=give, args=(endpoint,)) for endpoint in endpoints]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [left[endpoint] for endpoint in endpoints]
