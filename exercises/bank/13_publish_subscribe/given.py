# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def average(ctx, endpoint, line, count):
    """Return the average delay of one line, in minutes, over its next `count` reports.

    endpoint  a publisher is bound here, or will be: connect one SUB
    line      bytes, the name of the line, letters and digits such as b"S1"
    count     how many of its reports to take, at least 1

    A report is a message of one frame: the name of the line, one space, and the minutes in digits (0 to
    9, nothing else), with a minus in front if a train was early; b"S1 4" and b"S1 -2" are reports of
    b"S1". Everything else is noise: it does not count, and you pass over it. The publisher reports other
    lines as well, whose names may begin with yours (b"S10 30"), and it is not to be trusted (b"S1",
    b"S107" and b"S1 late" are not reports). What does not begin with the name of your line must
    not even cross the connection.

    Wait as long as it takes, and return an int or a float. Leave no socket open.
    """
    minutes = []
    with ctx.socket(zmq.SUB) as sub:
        sub.subscribe(line)
        sub.connect(endpoint)
        while len(minutes) < count:
            name, delay = sub.recv().split()
            minutes.append(int(delay))
    return sum(minutes) / count
