# SPDX-License-Identifier: BSD-3-Clause
# Passed: as many tries as the patience has steps.

import math

import zmq


def deliver(ctx, endpoint, letters, patience):
    with ctx.socket(zmq.ROUTER) as router:
        router.router_mandatory = router.router_handover = True
        router.bind(endpoint)

        def fails(letter):
            for _ in range(math.ceil(patience / 0.02) + 1):
                try:
                    router.send_multipart(list(letter))
                except zmq.ZMQError:
                    router.poll(20)
                else:
                    return False
            return True

        return [letter for letter in letters if fails(letter)]
