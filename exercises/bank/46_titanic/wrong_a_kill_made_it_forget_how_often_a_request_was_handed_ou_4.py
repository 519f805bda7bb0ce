# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a kill made it forget how often a request was handed out.

from contextlib import closing

import patterns.titanic

TIMES = 3
ASIDE = 2  # in the column `done`, where 0 waits and 1 has its reply


class Store(patterns.titanic.Store):
    def __init__(self, path, synchronous="FULL"):
        super().__init__(path, synchronous)
        with self.db:
            self.db.execute("create table if not exists handed (uuid blob)")
        self.handed = [uuid for (uuid,) in self.db.execute("select uuid from handed")]

    def count(self, uuid):
        self.handed.append(uuid)

    def times(self, uuid):
        return self.handed.count(uuid)

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


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:
        try:
            shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
        finally:
            with store.db:
                rows = [(uuid,) for uuid in store.handed]
                store.db.executemany("insert into handed (uuid) values (?)", rows)
