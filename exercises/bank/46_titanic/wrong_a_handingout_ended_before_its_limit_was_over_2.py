# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a handing-out ended before its limit was over.
# The next has its turn when one is closed, and the limit of that one ends its own.

from contextlib import closing

import patterns.titanic

TIMES = 3
ASIDE = 2  # in the column `done`, where 0 waits and 1 has its reply


class Store(patterns.titanic.Store):
    def __init__(self, path, synchronous="FULL"):
        super().__init__(path, synchronous)
        with self.db:
            self.db.execute("create table if not exists handed (uuid blob)")

    def count(self, uuid):
        with self.db:
            self.db.execute("insert into handed (uuid) values (?)", (uuid,))

    def times(self, uuid):
        return self.db.execute("select count(*) from handed where uuid = ?", (uuid,)).fetchone()[0]

    def first(self, service):
        while (uuid := super().first(service)) and self.times(uuid) == TIMES:
            with self.db:
                self.db.execute("update request set done = ? where uuid = ?", (ASIDE, uuid))
        return uuid

    def status(self, uuid):
        row = self.db.execute("select done from request where uuid = ?", (uuid,)).fetchone()
        return [b"500"] if row == (ASIDE,) else super().status(uuid)


class Titanic(patterns.titanic.Titanic):
    def _ask(self, uuid, service, client, now):
        if client.service == service:
            self.store.count(uuid)
        yield from super()._ask(uuid, service, client, now)

    def _answer(self, name, job, now):
        if name == "titanic.close" and job[0].decode() in self.asked:
            self.due[self.asked[job[0].decode()]] = now
        return super()._answer(name, job, now)


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
