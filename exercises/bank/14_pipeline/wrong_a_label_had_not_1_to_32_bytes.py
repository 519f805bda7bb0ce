# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a label had not 1 to 32 bytes.
# A UUID has 16 bytes, and 36 characters.

import math
import uuid

import zmq


def collect(ctx, todo, tasks, results, patience):
    missing = {str(uuid.uuid4()).encode(): task for task in todo}
    order, found = list(missing), {}
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.bind(tasks)
        pull.bind(results)
        while missing:
            for label, task in missing.items():
                push.send_multipart([label, task])
            while missing and pull.poll(math.ceil(patience * 1000)):
                label, result = pull.recv_multipart()
                missing.pop(label, None)
                found[label] = result
    return [found[label] for label in order]
