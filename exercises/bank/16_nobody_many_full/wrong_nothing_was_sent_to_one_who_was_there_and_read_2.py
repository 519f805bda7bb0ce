# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nothing was sent to one who was there and read.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    poller, pushes = zmq.Poller(), {}
    for endpoint in endpoints:
        push = ctx.socket(zmq.PUSH)
        push.immediate, push.sndhwm = 1, room
        push.connect(endpoint)
        poller.register(push, zmq.POLLIN)
        pushes[push] = list(messages)
    while ready := dict(poller.poll(patience * 1000)):
        for push, waiting in pushes.items():
            if push in ready and waiting:
                push.send(waiting.pop(0))
    for push in pushes:
        push.close()
    return list(pushes.values())
