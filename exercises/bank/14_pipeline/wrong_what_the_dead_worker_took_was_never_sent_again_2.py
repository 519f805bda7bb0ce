# SPDX-License-Identifier: BSD-3-Clause
# Not yet: what the dead worker took was never sent again.

import threading

from patterns.pipeline import sink, ventilator


def collect(ctx, todo, tasks, results, patience):
    words = [task.decode() for task in todo]
    ends = {"workers": 0, "tasks": tasks, "ready": "inproc://ready"}
    threading.Thread(target=ventilator, args=(ctx, *words), kwargs=ends, daemon=True).start()
    return [result.encode() for result in sink(ctx, results)]
