# SPDX-License-Identifier: BSD-3-Clause
# Passed: a poller, and a list of reports that wait.

import zmq


def desk(ctx, reports, news, sections, count):
    waiting, there, number = [], set(), 0
    with ctx.socket(zmq.XPUB) as xpub, ctx.socket(zmq.PULL) as pull:
        xpub.sndhwm = 0
        xpub.bind(news)
        pull.bind(reports)
        poller = zmq.Poller()
        poller.register(xpub, zmq.POLLIN)
        poller.register(pull, zmq.POLLIN)
        while number < count:
            ready = dict(poller.poll())
            if xpub in ready:
                there.add(xpub.recv()[1:])
            if pull in ready:
                waiting.append(pull.recv_multipart())
            while there >= set(sections) and waiting:
                number += 1
                match waiting.pop(0):
                    case [section, headline, photo]:
                        xpub.send_multipart([section, b"%d" % number, headline, photo])
                    case [section, headline]:
                        xpub.send_multipart([section, b"%d" % number, headline])
