# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it gave up at once on a guest who was late.

import zmq


def deliver(ctx, endpoint, letters, patience):
    undelivered = []
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = True
        router.router_handover = True
        router.sndtimeo = int(patience * 1000)
        router.bind(endpoint)
        for letter in letters:
            try:
                router.send_multipart(list(letter))
            except zmq.ZMQError:
                undelivered.append(letter)
    return undelivered
