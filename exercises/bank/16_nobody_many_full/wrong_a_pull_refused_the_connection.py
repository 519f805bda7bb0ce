# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a PULL refused the connection.

import zmq


def hand_out(ctx, messages, endpoints, room, patience):
    with ctx.socket(zmq.PUB) as pub:
        pub.sndhwm = room
        for endpoint in endpoints:
            pub.connect(endpoint)
        for message in messages:
            pub.send(message)
    return [[] for _ in endpoints]
