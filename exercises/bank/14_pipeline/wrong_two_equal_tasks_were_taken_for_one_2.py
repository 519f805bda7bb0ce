# SPDX-License-Identifier: BSD-3-Clause
# Not yet: two equal tasks were taken for one.

import zmq


def collect(ctx, todo, tasks, results, patience):
    missing = set(todo)
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.bind(tasks)
        pull.bind(results)
        found = {}
        while missing:
            for task in missing:
                push.send_multipart([task, task])
            while missing and pull.poll(patience * 1000):
                task, result = pull.recv_multipart()
                found[task] = result
                missing.discard(task)
    return [found[task] for task in todo]
