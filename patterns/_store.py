# SPDX-License-Identifier: BSD-3-Clause
"""What `titanic` keeps on disk, in SQLite: requests and their replies; and a service that does each job once."""

import sqlite3
from collections.abc import Callable, Iterable
from uuid import uuid4

Deed = Callable[[sqlite3.Connection, list[bytes]], list[bytes]]


class Disk:
    """A SQLite file of lists of frames, each under two keys. It belongs to one process at a time, until that ends.

    synchronous  when a commit returns it is on the disk itself ("FULL"), or with the operating system ("NORMAL",
                 "OFF"), which a crash of this process does not touch and a power failure does
    """

    SCHEMA = """create table if not exists frame
                (one blob, other blob, place int, data blob, primary key (one, other, place)) without rowid;"""

    def __init__(self, path: str, synchronous: str = "FULL") -> None:
        if synchronous not in ("FULL", "NORMAL", "OFF"):
            raise ValueError(f"synchronous: expected FULL, NORMAL or OFF, got {synchronous!r}")
        self.db = sqlite3.connect(path, timeout=0, check_same_thread=False)  # a worker's thread is not its role's
        try:
            self.db.execute("pragma locking_mode = exclusive")
            self.db.execute("pragma journal_mode = wal")
            self.db.execute(f"pragma synchronous = {synchronous}")
            self.db.executescript(f"begin immediate; {self.SCHEMA} commit")
        except sqlite3.DatabaseError as error:
            self.db.close()
            raise ValueError(f"path: {path} cannot be used, {error}") from None

    def close(self) -> None:
        self.db.close()

    def write(self, one: bytes, other: bytes, frames: Iterable[bytes]) -> None:
        """Part of the transaction that is open, or the first of a new one."""
        rows = [(one, other, place, data) for place, data in enumerate(frames)]
        self.db.executemany("insert into frame values (?, ?, ?, ?)", rows)

    def read(self, one: bytes, other: bytes) -> list[bytes]:
        rows = self.db.execute("select data from frame where one = ? and other = ? order by place", (one, other))
        return [data for (data,) in rows]


class Store(Disk):
    """Titanic's memory: what has returned is on disk. `name` makes the UUIDs."""

    SCHEMA = f"""{Disk.SCHEMA}
        create table if not exists request (number integer primary key, uuid blob unique, service blob, done int);
        create index if not exists waiting on request (service, number) where not done;"""

    def __init__(
        self, path: str, synchronous: str = "FULL", name: Callable[[], bytes] = lambda: uuid4().hex.encode()
    ) -> None:
        super().__init__(path, synchronous)
        self.name = name

    def add(self, service: bytes, body: list[bytes]) -> bytes:
        """Keep a request and return its UUID."""
        with self.db:  # one transaction: all of it, or nothing
            uuid = self.name()
            self.db.execute("insert into request (uuid, service, done) values (?, ?, 0)", (uuid, service))
            self.write(uuid, b"body", body)
        return uuid

    def services(self) -> list[bytes]:
        """Those for which a request waits."""
        return [name for (name,) in self.db.execute("select distinct service from request where not done")]

    def first(self, service: bytes) -> bytes | None:
        """The UUID of the oldest request for this service that has no reply."""
        query = "select uuid from request where service = ? and not done order by number limit 1"
        return next((uuid for (uuid,) in self.db.execute(query, (service,))), None)

    def finish(self, uuid: bytes, reply: list[bytes]) -> None:
        """Keep a reply, unless there is one already, or the request is closed."""
        with self.db:
            if self.db.execute("update request set done = 1 where uuid = ? and not done", (uuid,)).rowcount:
                self.write(uuid, b"reply", reply)

    def status(self, uuid: bytes) -> list[bytes]:
        """What titanic.reply says of it. The reply stays."""
        match self.db.execute("select done from request where uuid = ?", (uuid,)).fetchone():
            case None:
                return [b"400"]
            case (0,):
                return [b"300"]
        return [b"200", *self.read(uuid, b"reply")]

    def forget(self, uuid: bytes) -> None:
        with self.db:
            self.db.execute("delete from request where uuid = ?", (uuid,))
            self.db.execute("delete from frame where one = ?", (uuid,))


class Once(Disk):
    """Work for a worker: jobs [client][number][body+], each done once; who asks again gets the reply that was stored.

    work(db, body) -> reply     what it writes through `db` is committed with the reply, in one transaction
    """

    def __init__(self, path: str, work: Deed, synchronous: str = "FULL") -> None:
        super().__init__(path, synchronous)
        self.work = work

    def __call__(self, job: list[bytes]) -> list[bytes]:
        match job:
            case [client, number, _, *_]:
                with self.db:
                    if not (reply := self.read(client, number)):
                        if not (reply := self.work(self.db, job[2:])):
                            raise ValueError("work: expected a reply of at least one frame, got none")
                        self.write(client, number, reply)
                return reply
        return [b"400"]
