# SPDX-License-Identifier: BSD-3-Clause
# Not yet: who had gone was taken for who asks.

import zmq
from zmq.utils import z85


class Members:
    """Who has which key, one key a name."""

    def __init__(self, members):
        self.keys = dict(members)

    def name(self, key):
        return next((name for name, known in self.keys.items() if known == key), None)

    def obey(self, frames):
        match frames:
            case [b"add", name, key]:
                self.keys[name] = key
            case [b"remove", name]:
                self.keys.pop(name, None)
        return frames != [b"end"]


def practice(ctx, front, desk, keys, members):
    list_, poller, goes_on, known_as = Members(members), zmq.Poller(), True, {}
    with ctx.socket(zmq.REP) as zap, ctx.socket(zmq.ROUTER) as router, ctx.socket(zmq.REP) as orders:
        for socket in (zap, router, orders):
            poller.register(socket, zmq.POLLIN)
        zap.bind("inproc://zeromq.zap.01")
        router.curve_secretkey = keys[1]
        router.curve_server = 1
        router.bind(front)
        orders.bind(desk)
        while goes_on:
            for socket, _ in poller.poll():
                if socket is zap:
                    version, number, _, _, _, mechanism, *credentials = zap.recv_multipart()
                    key = z85.encode(credentials[0]) if mechanism == b"CURVE" else b""
                    known = list_.name(key) is not None
                    zap.send_multipart([version, number, b"200" if known else b"400", b"", key, b""])
                elif socket is router:
                    *envelope, question = router.recv_multipart(copy=False)
                    key = known_as.setdefault(envelope[0].bytes, question.get("User-Id").encode())
                    name = list_.name(key)
                    router.send_multipart([*envelope, *([b"no"] if name is None else [name, question])])
                else:
                    goes_on = list_.obey(orders.recv_multipart())
                    orders.send(b"ok")
