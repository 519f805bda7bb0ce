# SPDX-License-Identifier: BSD-3-Clause
# Passed: the recipe's sink in small steps, what is left as a set.

import zmq


def collect(ctx, todo, tasks, results, patience):
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.bind(tasks)
        pull.bind(results)
        found, left = {}, set(range(len(todo)))
        send(push, todo, left)
        while left:
            if not pull.poll(patience * 1000):
                send(push, todo, left)
                continue
            label, result = pull.recv_multipart()
            left.discard(int(label))
            found.setdefault(int(label), result)
        return [result for number, result in sorted(found.items())]


def send(push, todo, numbers):
    for number in sorted(numbers):
        push.send_multipart([b"%03d" % number, todo[number]])
