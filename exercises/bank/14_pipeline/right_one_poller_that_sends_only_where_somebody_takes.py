# SPDX-License-Identifier: BSD-3-Clause
# Passed: one poller that sends only where somebody takes.

import time

import zmq


def collect(ctx, todo, tasks, results, patience):
    found = [None] * len(todo)
    waiting = list(range(len(todo)))
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.bind(tasks)
        pull.bind(results)
        poller = zmq.Poller()
        poller.register(pull, zmq.POLLIN)
        quiet = time.monotonic()
        while None in found:
            poller.register(push, zmq.POLLOUT if waiting else 0)
            ready = dict(poller.poll(20))
            if ready.get(push) == zmq.POLLOUT and waiting:
                number = waiting.pop(0)
                push.send_multipart([str(number).encode(), todo[number]])
                quiet = time.monotonic()
            if pull in ready:
                label, result = pull.recv_multipart()
                found[int(label)] = result
                quiet = time.monotonic()
            elif not waiting and time.monotonic() - quiet > patience:
                waiting = [number for number, result in enumerate(found) if result is None]
    return found
