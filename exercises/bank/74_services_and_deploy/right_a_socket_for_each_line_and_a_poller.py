# SPDX-License-Identifier: BSD-3-Clause
# Passed: a socket for each line and a poller.

import zmq


def desk(ctx, places):
    last, count = {}, {}
    sockets = {"readings": [], "news": [], "questions": []}
    kinds = {"readings": zmq.SUB, "news": zmq.PUB, "questions": zmq.REP}
    poller = zmq.Poller()
    try:
        for name, binds, connects, endpoint in places:
            mine = binds == "desk" or connects in ("desk", "anybody")
            if not mine:
                continue
            socket = ctx.socket(kinds[name])
            sockets[name].append(socket)
            if name == "readings":
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            if binds == "desk":
                socket.bind(endpoint)
            else:
                socket.connect(endpoint)
            if name != "news":
                poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                frames = socket.recv_multipart()
                if socket in sockets["readings"]:
                    if len(frames) == 2:
                        last[frames[0]] = frames[1]
                        count[frames[0]] = count.get(frames[0], 0) + 1
                        for news in sockets["news"]:
                            news.send_multipart(frames)
                elif len(frames) == 1:
                    socket.send(last.get(frames[0], b""))
                elif len(frames) == 2 and frames[0] == b"2":
                    number = str(count.get(frames[1], 0)).encode()
                    socket.send_multipart([b"2", last.get(frames[1], b""), number])
                else:
                    socket.send(b"?")
    finally:
        for each in sockets.values():
            for socket in each:
                socket.close()
