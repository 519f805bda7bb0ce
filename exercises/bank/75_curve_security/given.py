# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def practice(ctx, front, desk, keys, members):
    """Answer members under CURVE, each by its name, and return when the desk says so.

    front    bind a REP or a ROUTER here, a CURVE server. Clients are REQ; they connect and go as they like, and may
             have any routing id that nobody else has who is connected. Who has no keys, or a key that is no member's,
             must not be let in: its handshake fails, at once and for good
    desk     bind a REP here, which asks for no keys: orders come to it
    keys     the server's pair, (public, secret)
    members  a dict, name -> public key: whose key may come in at the beginning. You may change it

    All keys are bytes, 40 characters of Z85. Names are bytes, one or more, and need not be text. At no time have two
    names the same key.

    A question is one frame, any bytes. Reply with two: the name of the member who asks, and the question. What a
    client says of itself does not count. An order is one of these messages; answer each with b"ok" once it holds:

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
