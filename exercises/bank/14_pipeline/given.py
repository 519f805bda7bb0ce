# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def collect(ctx, todo, tasks, results, patience):
    """Have every task of `todo` carried out by workers; return the results in the order of the tasks.

    todo      a list of bytes, each a task; two of them may be equal
    tasks     bind a PUSH here: workers connect to it and take tasks, in two frames [label][task]
    results   bind a PULL here: workers connect to it and bring results, in two frames [label][result]
    patience  seconds: when no result has come for that long, send again the tasks whose results
              are missing, and only those; and so on, until every task has its result

    The label is yours to choose, 1 to 32 bytes; the worker puts it on the result unchanged. Send every
    task before you wait for results. A worker that dies takes with it what it was given, and after a
    while there is another. One that is slow may bring its result although you have sent the task again,
    so a result may come twice; any of them will do. Leave no socket open.
    """
    with ctx.socket(zmq.PUSH) as push, ctx.socket(zmq.PULL) as pull:
        push.bind(tasks)
        pull.bind(results)
        for number, task in enumerate(todo):
            push.send_multipart([b"%d" % number, task])
        found = {}
        while len(found) < len(todo):
            label, result = pull.recv_multipart()
            found[int(label)] = result
        return [found[number] for number in range(len(todo))]
