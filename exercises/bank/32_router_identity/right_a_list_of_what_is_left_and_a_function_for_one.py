# SPDX-License-Identifier: BSD-3-Clause
# Passed: a list of what is left, and a function for one try.

import time

import zmq


def sent(router, name, text):
    try:
        router.send(name, zmq.SNDMORE | zmq.DONTWAIT)
        router.send(text, zmq.DONTWAIT)
        return True
    except zmq.ZMQError:
        return False


def deliver(ctx, endpoint, letters, patience):
    router = ctx.socket(zmq.ROUTER)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)
    router.bind(endpoint)
    try:
        left = []
        for letter in letters:
            since, done = time.monotonic(), False
            while not done and time.monotonic() - since < patience:
                done = sent(router, *letter) or bool(router.poll(5))
            if not done:
                left.append(letter)
        return left
    finally:
        router.close()
