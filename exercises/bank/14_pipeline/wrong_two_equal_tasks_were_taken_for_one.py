# SPDX-License-Identifier: BSD-3-Clause
# Not yet: two equal tasks were taken for one.

import zmq


def collect(ctx, todo, tasks, results, patience):
    found = {}
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.bind(tasks)
        pull.bind(results)
        while len(found) < len(set(todo)):
            for task in todo:
                if task not in found:
                    push.send_multipart([task, task])
            while pull.poll(patience * 1000):
                task, result = pull.recv_multipart()
                found[task] = result
                if len(found) == len(set(todo)):
                    break
    return [found[task] for task in todo]
