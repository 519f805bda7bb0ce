# SPDX-License-Identifier: BSD-3-Clause
# Passed: labels that no other program will choose, and RCVTIMEO.

import uuid

import zmq


def collect(ctx, todo, tasks, results, patience):
    labels = [uuid.uuid4().bytes for _ in todo]
    missing = dict(zip(labels, todo))
    found = {}
    push, pull = ctx.socket(zmq.PUSH), ctx.socket(zmq.PULL)
    try:
        pull.rcvtimeo = round(patience * 1000)
        pull.bind(results)
        push.bind(tasks)
        while missing:
            for pair in missing.items():
                push.send_multipart(pair)
            try:
                while missing:
                    label, result = pull.recv_multipart()
                    missing.pop(label, None)
                    found[label] = result
            except zmq.Again:
                pass
        return [found[label] for label in labels]
    finally:
        push.close(linger=0)
        pull.close(linger=0)
