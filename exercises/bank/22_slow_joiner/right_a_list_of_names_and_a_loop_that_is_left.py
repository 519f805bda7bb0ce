# SPDX-License-Identifier: BSD-3-Clause
# Passed: a list of names, and a loop that is left.

import zmq

READY = b"ready."
TOPICS = b"tea", b"milk", b"water"


def publish(ctx, messages, endpoint, subscribers):
    names = []
    with ctx.socket(zmq.XPUB) as xpub:
        xpub.bind(endpoint)
        while True:
            said = xpub.recv_multipart()[0]
            name = said[1:]
            if not name.startswith(READY):
                continue
            if said[0] == 1 and name not in names:
                names.append(name)
            if said[0] == 0 and name in names:
                names.remove(name)
            if len(names) >= subscribers:
                break
        list(map(xpub.send_multipart, messages))
