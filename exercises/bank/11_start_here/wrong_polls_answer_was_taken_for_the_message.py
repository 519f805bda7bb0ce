# SPDX-License-Identifier: BSD-3-Clause
# Not yet: poll's answer was taken for the message.

import zmq


def take(ctx, endpoint, seconds):
    with ctx.socket(zmq.PULL) as socket:
        socket.bind(endpoint)
        return bool(socket.poll(seconds * 1000))
