# SPDX-License-Identifier: BSD-3-Clause
# Passed: the count is kept among the frames, as a list that grows.

from contextlib import closing

from patterns.titanic import Store, Titanic


class Patient(Store):
    out = None

    def status(self, uuid):
        said = super().status(uuid)
        return [b"500"] if said == [b"300"] and self.spent(uuid) and uuid != self.out else said

    def spent(self, uuid):
        return sum(bool(self.read(uuid, b"try %d" % n)) for n in range(3)) == 3

    def read(self, one, other):
        frames = super().read(one, other)
        if other == b"body" and frames:
            n = next(n for n in range(4) if not super(Patient, self).read(one, b"try %d" % n))
            with self.db:
                self.write(one, b"try %d" % n, [b"x"])
            self.out = one
        return frames

    def first(self, service):
        rows = self.db.execute("select uuid from request where service = ? and done = 0 order by number", (service,))
        for (uuid,) in rows.fetchall():
            if not self.spent(uuid):
                return uuid
            if self.out == uuid:
                self.out = None
        return None


def titanic(ctx, endpoint, path, limit, shell):
    with closing(Patient(path, "NORMAL")) as store:
        shell(ctx, Titanic(endpoint, store, limit=limit, retry=1.0))
