# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the newest value of a key was never shown.
# It forgets a key when the panel has replied, and with it what has come of that key meanwhile.

import zmq


def show(ctx, endpoint, keys, panel):
    waiting, shown = {}, None

    def take():
        match sub.recv_multipart():
            case [key, address, value] if key in keys:
                waiting[key] = address, value

    with ctx.socket(zmq.SUB) as sub, ctx.socket(zmq.REQ) as req:
        for key in keys:
            sub.subscribe(key)
        sub.connect(endpoint)
        req.connect(panel)
        poller = zmq.Poller()
        poller.register(sub, zmq.POLLIN)
        poller.register(req, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if sub in ready:
                take()
            if req in ready:
                if req.recv() == b"STOP":
                    return
                del waiting[shown]
                shown = None
            if shown is None and waiting:
                while sub.poll(0):
                    take()
                shown = next(iter(waiting))
                req.send_multipart([shown, *waiting[shown]])
