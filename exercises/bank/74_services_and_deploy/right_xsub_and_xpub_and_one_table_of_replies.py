# SPDX-License-Identifier: BSD-3-Clause
# Passed: XSUB and XPUB and one table of replies.

import zmq


class Desk:
    def __init__(self):
        self.readings = {}

    def reading(self, frames):
        if len(frames) != 2:
            return None
        self.readings.setdefault(frames[0], []).append(frames[1])
        return frames

    def reply(self, frames):
        if len(frames) not in (1, 2) or (len(frames) == 2 and frames[0] != b"2"):
            return [b"?"]
        known = self.readings.get(frames[-1], [])
        last = known[-1] if known else b""
        return [last] if len(frames) == 1 else [b"2", last, b"%d" % len(known)]


def desk(ctx, places):
    state, open_ = Desk(), {}
    for name, kind in {"readings": zmq.XSUB, "news": zmq.XPUB, "questions": zmq.REP}.items():
        open_[name] = ctx.socket(kind)
    for name, binds, connects, endpoint in places:
        if binds == "desk":
            open_[name].bind(endpoint)
        elif connects == "desk" or connects == "anybody":
            open_[name].connect(endpoint)
    open_["readings"].send(b"\1")
    try:
        while True:
            for socket in zmq.select(list(open_.values()), [], [])[0]:
                frames = socket.recv_multipart()
                if socket is open_["readings"] and state.reading(frames):
                    open_["news"].send_multipart(frames)
                elif socket is open_["questions"]:
                    socket.send_multipart(state.reply(frames))
    finally:
        for socket in open_.values():
            socket.close()
