# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def take(ctx, endpoint, seconds):
    """Return the text of the first message that arrives at `endpoint`, or None.

    ctx       a zmq.Context; open one PULL socket in it and bind it to `endpoint`
    seconds   how long to wait at most, perhaps 0; when nothing has come by then, return None

    A message is UTF-8 text, perhaps empty; return it as str, unchanged. More messages may
    follow. Close the socket, whatever happens.
    """
    socket = ctx.socket(zmq.PULL)
    socket.bind(endpoint)
    text = socket.recv_string()
    socket.close()
    return text
