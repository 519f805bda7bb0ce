# SPDX-License-Identifier: BSD-3-Clause
# Not yet: messages were received and never carried out.

import time

import zmq


def serve(ctx, urgent, ordinary, stop, work, seconds):
    end = time.monotonic() + seconds
    done = []
    with ctx.socket(zmq.PULL) as first, ctx.socket(zmq.PULL) as second, ctx.socket(zmq.PULL) as word:
        first.bind(urgent)
        second.bind(ordinary)
        word.bind(stop)
        poller = zmq.Poller()
        for socket in (first, second, word):
            poller.register(socket, zmq.POLLIN)
        while (left := end - time.monotonic()) > 0:
            poller.poll(int(left * 1000) + 1)
            turn = []
            for socket, most in (first, 3), (second, 1):
                while most and socket.poll(0):
                    turn.append(socket.recv())
                    most -= 1
            for message in turn:
                if word.poll(0) or time.monotonic() > end:
                    return done
                done.append(work(message))
            if word.poll(0):
                break
    return done
