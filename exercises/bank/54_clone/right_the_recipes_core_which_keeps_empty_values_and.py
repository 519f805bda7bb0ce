# SPDX-License-Identifier: BSD-3-Clause
# Passed: the recipe's core, which keeps empty values and does not show them.

from patterns import clone
from patterns.shell import Result


class Replica(clone.Replica):
    def receive(self, socket, frames, now):
        for effect in super().receive(socket, frames, now):
            if isinstance(effect, Result):
                effect = Result({key: value for key, value in effect.value.items() if value})
            yield effect


def replica(ctx, updates, snapshots, shell):
    shell(ctx, Replica(updates, snapshots))
