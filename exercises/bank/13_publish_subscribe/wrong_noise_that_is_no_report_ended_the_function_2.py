# SPDX-License-Identifier: BSD-3-Clause
# Not yet: noise that is no report ended the function.

import zmq


def average(ctx, endpoint, line, count):
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.setsockopt(zmq.SUBSCRIBE, line)
        sub.connect(endpoint)
        while len(minutes) < count:
            words = sub.recv().split(b" ")
            if words[0] == line:
                minutes.append(int(words[1]))
    return sum(minutes) / count
