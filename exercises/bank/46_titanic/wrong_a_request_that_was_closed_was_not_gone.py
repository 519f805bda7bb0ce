# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request that was closed was not gone.

from contextlib import closing

import patterns.titanic

TIMES = 3
ASIDE = 2  # in the column `done`, where 0 waits and 1 has its reply


class Store(patterns.titanic.Store):
    def __init__(self, path, synchronous="FULL"):
        super().__init__(path, synchronous)
        with self.db:
            self.db.execute("create table if not exists handed (uuid blob)")
            self.db.execute("create table if not exists poison (uuid blob)")

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

    def failed(self, uuid):
        if self.times(uuid) == TIMES:
            with self.db:
                self.db.execute("insert into poison (uuid) values (?)", (uuid,))

    def forget(self, uuid):
        super().forget(uuid)
        with self.db:
            self.db.execute("delete from poison where uuid = ?", (uuid,))

    def status(self, uuid):
        row = self.db.execute("select done from request where uuid = ?", (uuid,)).fetchone()
        poison = self.db.execute("select 1 from poison where uuid = ?", (uuid,)).fetchone()
        return [b"500"] if poison or row == (ASIDE,) else super().status(uuid)


class Titanic(patterns.titanic.Titanic):
    def _ask(self, uuid, service, client, now):
        if client.service == service:
            self.store.count(uuid)
        yield from super()._ask(uuid, service, client, now)

    def _heard(self, name, value, now):
        if self.parts[name].service == self.asked[name] and isinstance(value, TimeoutError):
            self.store.failed(name.encode())
        yield from super()._heard(name, value, now)


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
