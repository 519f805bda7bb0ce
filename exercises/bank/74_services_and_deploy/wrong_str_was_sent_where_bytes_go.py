# SPDX-License-Identifier: BSD-3-Clause
# Not yet: str was sent where bytes go.

from collections import Counter

import zmq


def desk(ctx, places):
    last, count = {}, Counter()
    with ctx.socket(zmq.SUB) as readings, ctx.socket(zmq.PUB) as news, ctx.socket(zmq.REP) as questions:
        sockets = {"readings": readings, "news": news, "questions": questions}
        readings.subscribe(b"")
        for name, binds, connects, endpoint in places:
            if binds == "desk":
                sockets[name].bind(endpoint)
            elif connects in ("desk", "anybody"):
                sockets[name].connect(endpoint)
        while True:
            ready, _, _ = zmq.select([readings, questions], [], [])
            if readings in ready:
                match readings.recv_multipart():
                    case [place, degrees]:
                        last[place] = degrees
                        count[place] += 1
                        news.send_multipart([place, degrees])
            if questions in ready:
                match questions.recv_multipart():
                    case [place]:
                        questions.send(last.get(place, b""))
                    case [b"2", place]:
                        questions.send_multipart([b"2", last.get(place, b""), str(count[place])])
                    case _:
                        questions.send(b"?")
