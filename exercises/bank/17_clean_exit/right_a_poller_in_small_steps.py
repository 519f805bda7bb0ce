# SPDX-License-Identifier: BSD-3-Clause
# Passed: a poller in small steps.

import time

import zmq


def post(ctx, letters, receipts, letter, seconds):
    start = time.monotonic()
    with ctx.socket(zmq.PULL) as inbox:
        inbox.bind(receipts)
        with ctx.socket(zmq.PUSH) as outbox:
            outbox.setsockopt(zmq.LINGER, 0)
            outbox.connect(letters)
            outbox.send(letter)
            poller = zmq.Poller()
            poller.register(inbox, zmq.POLLIN)
            delivered = False
            while not delivered and time.monotonic() - start < seconds:
                for socket, event in poller.poll(20):
                    delivered = socket.recv() == letter
    return delivered
