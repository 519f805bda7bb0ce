# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import signal

import zmq


def sink(ctx, results, control, grace):
    """Collect the results, send the workers home, and return the results.

    results   bind a PULL here. Results come as [number][result], in any order, each once. How many there
              are to be, at least 1, is said once, [END][how many]: their numbers are 1 to that. END may
              come before the last result, and a result may be any bytes
    control   bind an XPUB here. Workers subscribe to KILL, and go home when they get [KILL]
    grace     seconds, more than 0

    Collect until everything is there: END, and so many results; however long it takes. But SIGTERM may
    come to this process, and no other signal. From then on collect for `grace` seconds more, or until
    everything is there. Be ready for it before you bind. It may come again, or for the first time
    when everything is there, until the last worker has gone; only the first one counts.

    Then, and not before, send KILL, so that every worker gets it: those that are there, and those that
    come while others are still there. To get it more than once does a worker no harm, and it may take its
    time to go. When the last one has gone, or at once if none is there, return {number: result}, int and
    bytes, with all results that have come. One that you have not read when the time is over may be among
    them or not. Leave no socket open.

    This function runs in the main thread. There are others in the process, and any of them may take the
    signal. Where there is nothing to do but to wait, wait, and do not compute.
    """
    ending = []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(True))
    found, total = {}, None
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.XPUB) as kill:
        pull.bind(results)
        kill.bind(control)
        while len(found) != total and not ending:
            match pull.recv_multipart():
                case [b"END", count]:
                    total = int(count)
                case [number, result]:
                    found[int(number)] = result
        kill.send(b"KILL")
        return found
