# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a fourth handing-out came after its service had been gone.
# It takes the last one back: where there is no worker, none can have had it.

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

    def uncount(self, uuid):
        with self.db:
            self.db.execute("delete from handed where rowid = (select max(rowid) from handed where uuid = ?)", (uuid,))

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

    def _heard(self, name, value, now):
        if value == [b"404"]:
            self.store.uncount(name.encode())
        yield from super()._heard(name, value, now)


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
