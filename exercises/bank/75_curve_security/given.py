# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def practice(ctx, front, desk, keys, members):
    """Answer members under CURVE, each by its name, and return when the desk says so.

    front    bind a REP here, a CURVE server. Clients are REQ; they connect and go as they like, and may have
             any routing id. Who has no keys, or a key that is no member's, must not be let in: its handshake fails
    desk     bind a REP here, which asks for no keys: orders come to it
    keys     the server's pair, (public, secret)
    members  a dict, name -> public key: whose key may come in at the beginning. No two have the same key

    All keys are bytes, 40 characters of Z85. Names are bytes, and need not be text.

    A question is one frame, any bytes. Reply with two: the name of the member who asks, and the question. What a
    client says of itself does not count. An order is a message of frames; answer each with b"ok" once it holds:

        b"add", name, key    a member of this name has this key, and no other: also if there was one before
        b"remove", name      there is no member of this name, whether or not there was one
        b"end"               answer b"ok", and return None

    Names and keys are those of the list as it is *now*, for connections old and new: a key that was taken from one
    name may be given to another. Who is connected, and whose key is no member's any more, gets one frame, b"no".
    Leave no socket open.
    """
    with ctx.socket(zmq.REP) as rep, ctx.socket(zmq.REP) as orders:
        rep.curve_server, rep.curve_secretkey = True, keys[1]
        rep.bind(front)
        orders.bind(desk)
        while True:
            for socket in zmq.select([rep, orders], [], [])[0]:
                frames = socket.recv_multipart()
                if socket is rep:
                    rep.send_multipart([b"somebody", *frames])
                    continue
                orders.send(b"ok")
                if frames == [b"end"]:
                    return
