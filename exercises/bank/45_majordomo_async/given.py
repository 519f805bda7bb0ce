# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def ask(ctx, endpoint, service, requests, window, timeout, tries):
    """Ask all requests, and return their replies in the order of the requests.

    endpoint  where a broker of MDP 0.2 is bound
    service   its name, bytes
    requests  a list of at least one body; each is a list of frames, and no two are alike
    window    how many requests may be under way at once
    timeout   seconds of silence after which a try is over
    tries     how often a request may be asked

    Have as many requests under way as the window allows, while there are so many left; one that is given up leaves
    its place to the next. A request goes out as [MDPC02][1][service][body+]. Its reply is any number of PARTIALs,
    [MDPC02][2][service][body+], and one FINAL, [MDPC02][3][service][body+]; no part comes after that. On one socket
    one request is under way; when it is answered, the socket may be used for the next. The time of a try begins when
    it goes out; it is over when there has been no part of its reply for `timeout` seconds, be it before the first part
    or after one: then ask again at once, in the same place of the window and on a new socket, and forget the parts that
    have come.
    Messages of any other form may arrive. Drop them; they neither end a try nor give it more time.

    Return a list with the reply to each request: a list of bodies, the FINAL's last. None stands for a request whose
    last try is over; it raises nothing, and holds nobody up. Leave no socket open.
    """
    replies = []
    with ctx.socket(zmq.DEALER) as socket:
        socket.connect(endpoint)
        for body in requests:
            socket.send_multipart([b"MDPC02", b"\x01", service, *body])
        for _ in requests:
            command, reply = b"", []
            while command != b"\x03":
                _, command, _, *part = socket.recv_multipart()
                reply.append(part)
            replies.append(reply)
    return replies
