# SPDX-License-Identifier: BSD-3-Clause
# Passed: subscriptions are counted, and frames are taken while there are more.

import zmq


def desk(ctx, reports, news, sections, count):
    pull, xpub = ctx.socket(zmq.PULL), ctx.socket(zmq.XPUB)
    try:
        pull.bind(reports)
        xpub.bind(news)
        there = 0
        while there < len(sections):
            said = xpub.recv()
            if said[:1] == b"\x01" and said[1:] in sections:
                there += 1
        number = 0
        while number < count:
            number += 1
            frames = [pull.recv()]
            while pull.rcvmore:
                frames.append(pull.recv())
            frames.insert(1, str(number).encode())
            for frame in frames[:-1]:
                xpub.send(frame, zmq.SNDMORE)
            xpub.send(frames[-1])
    finally:
        pull.close()
        xpub.close(linger=3000)
