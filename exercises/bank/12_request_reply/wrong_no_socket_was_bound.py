# SPDX-License-Identifier: BSD-3-Clause
# Not yet: no socket was bound.

import zmq


def server(ctx, endpoint, work):
    with ctx.socket(zmq.REP) as socket:
        while True:
            socket.send(work(socket.recv()))
