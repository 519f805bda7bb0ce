# SPDX-License-Identifier: BSD-3-Clause
# Passed: the recipe, with whichever buffer is free.

import time

import zmq

from patterns.zero_copy import send_array


def film(ctx, endpoint, buffers, count, patience):
    lent = {}

    def take(wanted):
        until = time.monotonic() + patience
        while True:
            for place in [place for place, tracker in lent.items() if tracker.done]:
                del lent[place]
            if len(lent) <= wanted:
                return next((p for p in range(len(buffers)) if p not in lent), None)
            if time.monotonic() > until:
                raise TimeoutError("no buffer is free")
            push.poll(5)

    with ctx.socket(zmq.PUSH) as push:
        push.connect(endpoint)
        for number in range(count):
            place = take(len(buffers) - 1)
            buffers[place].fill(number)
            lent[place] = send_array(push, buffers[place])
        take(0)
