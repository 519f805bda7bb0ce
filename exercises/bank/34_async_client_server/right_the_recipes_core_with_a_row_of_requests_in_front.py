# SPDX-License-Identifier: BSD-3-Clause
# Passed: the recipe's core with a row of requests in front.

from patterns.async_client_server import Server as Recipe
from patterns.shell import Send


class Server(Recipe):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.rows = {}  # client -> [request id, replies left, replies held]

    def tick(self, now):
        out = []
        for effect in super().tick(now):
            if isinstance(effect, Send):
                client, request, reply = effect.frames
                row = self.rows[client]
                for each in row:
                    if each[0] == request:
                        each[2].append(effect)
                while row:
                    out += row[0][2]
                    row[0][1] -= len(row[0][2])
                    row[0][2] = []
                    if row[0][1]:
                        break
                    row.pop(0)
            else:
                out.append(effect)
        self.rows = {c: row for c, row in self.rows.items() if c in self.clients}
        return out

    def receive(self, socket, frames, now):
        client, request, body = frames
        effects = super().receive(socket, frames, now)
        if (request or body) and (many := len(self.plan(body))):
            self.rows.setdefault(client, []).append([request, many, []])
        return effects


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
