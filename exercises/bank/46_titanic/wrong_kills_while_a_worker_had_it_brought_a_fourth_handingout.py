# SPDX-License-Identifier: BSD-3-Clause
# Not yet: kills while a worker had it brought a fourth handing-out.

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
    def _heard(self, name, value, now):
        if self.parts[name].service == self.asked[name] and isinstance(value, TimeoutError):
            self.store.count(name.encode())
        yield from super()._heard(name, value, now)


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
