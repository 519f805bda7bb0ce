# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def server(ctx, endpoint, work):
    """Serve requests at `endpoint` for ever; clients with a REQ will connect.

    work  a function from bytes to bytes. It raises ValueError, and nothing else, for a request that it cannot serve.

    The reply to a request has two frames: [b"OK", result] or, where work raised, [b"ERROR", the error's text in
    UTF-8]. A request is one frame; one that has more is answered with [b"ERROR", a text of your own]. No request
    may end the server or remain without a reply. It ends when its Context does: recv then raises
    zmq.ContextTerminated, which you let through.
    """
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        while True:
            request = socket.recv()
            result = work(request)
            socket.send_multipart([b"OK", result])
