# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a picture was overwritten on its way.

import zmq

from patterns.zero_copy import send_array


def film(ctx, endpoint, buffers, count, patience):
    with ctx.socket(zmq.PUSH) as push:
        push.connect(endpoint)
        trackers = []
        for number in range(count):
            buffer = buffers[number % len(buffers)]
            buffer[:] = number
            trackers.append(send_array(push, buffer))
        while not all(tracker.done for tracker in trackers):
            push.poll(100)
