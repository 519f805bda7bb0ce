# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request lost its turn to a later one of its service.

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

    def to_the_end(self, uuid):
        with self.db:
            query = "update request set number = (select max(number) from request) + 1 where uuid = ?"
            self.db.execute(query, (uuid,))

    def status(self, uuid):
        row = self.db.execute("select done from request where uuid = ?", (uuid,)).fetchone()
        return [b"500"] if row == (ASIDE,) else super().status(uuid)


class Titanic(patterns.titanic.Titanic):
    def _ask(self, uuid, service, client, now):
        if client.service == service:
            self.store.count(uuid)
        yield from super()._ask(uuid, service, client, now)

    def _heard(self, name, value, now):
        handed_out = self.parts[name].service == self.asked[name]
        yield from super()._heard(name, value, now)
        if handed_out and isinstance(value, TimeoutError):
            self.store.to_the_end(name.encode())


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Store(path, "OFF")) as store:
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
