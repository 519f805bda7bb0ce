# SPDX-License-Identifier: BSD-3-Clause
# Passed: all endpoints at the same time, with a poller.

import time

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    given = {endpoint: 0 for endpoint in endpoints}
    poller, ends = zmq.Poller(), {}
    for endpoint in endpoints:
        push = ctx.socket(zmq.PUSH)
        push.immediate, push.sndhwm = 1, room
        push.connect(endpoint)
        poller.register(push, zmq.POLLOUT)
        ends[push] = endpoint
    until = time.monotonic() + patience
    while ends and time.monotonic() < until:
        for push, _ in poller.poll(max(1, (until - time.monotonic()) * 1000)):
            if given[ends[push]] < len(messages):
                push.send(messages[given[ends[push]]], zmq.DONTWAIT)
                given[ends[push]] += 1
            if given[ends[push]] == len(messages):
                poller.unregister(push)
                push.close()
                del ends[push]
    for push in ends:
        push.close()
    return [messages[given[endpoint] :] for endpoint in endpoints]
