# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a member was told no.
# The key before may be the new one.

from types import SimpleNamespace

import zmq
from zmq.auth.thread import ThreadAuthenticator


def practice(ctx, front, desk, keys, members):
    names = {key: name for name, key in members.items()}
    guard = ThreadAuthenticator(ctx)
    guard.start()
    guard.configure_curve_callback(credentials_provider=SimpleNamespace(callback=lambda domain, key: key in names))
    try:
        with ctx.socket(zmq.REP) as rep, ctx.socket(zmq.REP) as orders:
            rep.curve_server, rep.curve_secretkey = True, keys[1]
            rep.bind(front)
            orders.bind(desk)
            while True:
                for socket in zmq.select([rep, orders], [], [])[0]:
                    if socket is rep:
                        question = rep.recv(copy=False)
                        name = names.get(question.get("User-Id").encode())
                        rep.send_multipart([b"no"] if name is None else [name, question.bytes])
                        continue
                    order, *rest = orders.recv_multipart()
                    before = [key for key, name in names.items() if name in rest[:1]]
                    if order == b"add":
                        names[rest[1]] = rest[0]
                    for key in before:
                        del names[key]
                    orders.send(b"ok")
                    if order == b"end":
                        return
    finally:
        guard.stop()
