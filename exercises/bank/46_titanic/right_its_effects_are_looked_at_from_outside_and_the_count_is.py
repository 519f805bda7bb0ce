# SPDX-License-Identifier: BSD-3-Clause
# Passed: its effects are looked at from outside, and the count is a file of its own.

import sqlite3
from contextlib import closing

import patterns.titanic
from patterns.shell import Send
from patterns.titanic import Titanic


class Store(patterns.titanic.Store):
    def __init__(self, path):
        super().__init__(path, "OFF")
        self.counts = sqlite3.connect(path + ".counts")
        self.counts.execute("create table if not exists count (uuid blob primary key, n int)")

    def first(self, service):
        query = "select uuid from request where service = ? and not done order by number"
        waiting = [uuid for (uuid,) in self.db.execute(query, (service,))]
        return next((uuid for uuid in waiting if self.n(uuid) < 3), None)

    def n(self, uuid):
        row = self.counts.execute("select n from count where uuid = ?", (uuid,)).fetchone()
        return row[0] if row else 0

    def add_one(self, uuid):
        with self.counts:
            self.counts.execute("insert or replace into count values (?, ?)", (uuid, self.n(uuid) + 1))


class Watched:
    def __init__(self, core):
        self.core = core

    @property
    def deadline(self):
        return self.core.deadline

    def receive(self, socket, frames, now):
        if socket in ("titanic.reply",) and frames[2:3] == [b"\2"]:
            return self.asked(socket, frames, now)
        return self.looked_at(self.core.receive(socket, frames, now))

    def tick(self, now):
        return self.looked_at(self.core.tick(now))

    def looked_at(self, effects):
        for effect in effects:
            if isinstance(effect, Send) and effect.frames[1] == b"MDPC01" and effect.frames[2] != b"mmi.service":
                self.core.store.add_one(effect.socket.encode())
            yield effect

    def asked(self, socket, frames, now):
        for effect in self.looked_at(self.core.receive(socket, frames, now)):
            uuid = frames[-1]
            dead = self.core.store.n(uuid) >= 3 and uuid.decode() not in self.core.parts
            if isinstance(effect, Send) and effect.frames[5:] == [b"300"] and dead:
                effect = Send(effect.socket, [*effect.frames[:5], b"500"])
            yield effect


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path)) as store:
        shell(ctx, Watched(Titanic(endpoint, store, limit=limit, retry=0.5)))
        store.counts.close()
