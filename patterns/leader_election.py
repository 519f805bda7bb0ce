# SPDX-License-Identifier: BSD-3-Clause
"""Leader election: of three or five members at most one leads in a term, and more than half of them have chosen it.

    A PUB ---votes, heartbeats of the leader---> SUB of B, of C, ...      and so does each of them
    python -m patterns.leader_election member A B C      (A among peers B and C; likewise B A C, C A B)
    python -m patterns.leader_election leader A B C      (who leads, and in which term)

Frames, ours: [ELECT1][VOTE][term][voter][candidate], [ELECT1][LEAD][term][leader]; a term has 1 to 18 decimal digits,
a name 1 to 64 bytes. A vote for oneself asks for the others'. What is lost is not said again: after an election that
comes to nothing there is one in a higher term. Left out: no log, no replication, no change of members; members do not
lie. What a leader commands must look at its term: an old leader may not know yet that it is one. Copy with `shell.py`.
"""

import logging
import os
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import zmq

from .shell import AT_ONCE, NEVER, Effect, Open, Result, Send, Subscribe, run

TIMEOUT, SPREAD = 1.0, 1.0  # seconds that a member waits for a leader, and how many times that it may wait longer
BEATS = 4  # heartbeats of a leader in one timeout
PING = 5.0  # seconds from one PING of ZMTP to the next; a connection on which nothing answers by then is made anew.
# Whoever PINGs has no RCVHWM: libzmq 4.3.5 aborts the process when a full queue keeps it from reading the answer.
PORT = 5700  # of member A; B has the next one

# What each trouble of members does to leadership. "Safe": more than half of them, who reach each other, soon agree on
# one leader; "duplicated": meanwhile a second believes that it leads; "blocked": while it lasts, those whom it befalls
# choose no new one, or none for long.
GUARANTEES = {
    "crash": ("safe", "test_a_dead_leader_is_followed_by_another"),
    "freeze": ("duplicated", "test_a_leader_that_was_frozen_leads_until_it_hears_of_a_higher_term"),
    "cut": ("blocked", "test_a_minority_behind_a_cut_elects_nobody"),
    "slow": ("blocked", "test_on_a_network_slower_than_the_timeouts_nobody_leads_for_long"),
    "restart": ("safe", "test_a_vote_survives_its_voter"),
}
# No term has two, ever. In the textbook's words: safety always, liveness while messages are quicker than timeouts. Use
# something else for a state that must outlive its leader (etcd, Consul, ZooKeeper, a Raft library: they have a log).

Place = Callable[[str], str]
log = partial(logging.getLogger("leader_election").warning, "%s in term %d, led by %s")
VERSION, VOTE, LEAD = b"ELECT1", b"VOTE", b"LEAD"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
TERM = re.compile(rb"0|[1-9][0-9]{0,17}")


class Role(StrEnum):
    FOLLOWER, CANDIDATE, LEADER = "follower", "candidate", "leader"


Event = Enum("Event", ["SILENCE", "MAJORITY", "LEADER", "HIGHER"])  # no leader was heard for as long as we wait; more
R, E = Role, Event  # than half have voted for us; a leader of our term was heard; a term higher than ours was
TABLE: dict[tuple[Role, Event], Role] = {
    (R.FOLLOWER, E.SILENCE): R.CANDIDATE, (R.CANDIDATE, E.SILENCE): R.CANDIDATE, (R.LEADER, E.SILENCE): R.LEADER,
    (R.FOLLOWER, E.MAJORITY): R.FOLLOWER, (R.CANDIDATE, E.MAJORITY): R.LEADER, (R.LEADER, E.MAJORITY): R.LEADER,
    (R.FOLLOWER, E.LEADER): R.FOLLOWER, (R.CANDIDATE, E.LEADER): R.FOLLOWER, (R.LEADER, E.LEADER): R.LEADER,
    (R.FOLLOWER, E.HIGHER): R.FOLLOWER, (R.CANDIDATE, E.HIGHER): R.FOLLOWER, (R.LEADER, E.HIGHER): R.FOLLOWER,
}  # fmt: skip


def address(name: str, port: int = PORT) -> str:
    """Where the member of this letter is bound, on this machine. `port` is A's."""
    if not re.fullmatch("[A-Z]", name):
        raise ValueError(f"name: expected a letter from A to Z, or another `place`, got {name!r}")
    return f"tcp://127.0.0.1:{port + ord(name) - ord('A')}"


class Paper:
    """The term of a member's last vote, which it must not forget: in a file, a line a vote, or else in memory."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        text = Path(path).read_text("ascii", "replace") if path and os.path.exists(path) else ""
        self.term = max((int(term) for term in re.findall(r"(?m)^(\d{1,18}) ", text)), default=0)

    def write(self, term: int, vote: str) -> None:
        """It is on the disk when this returns. Of a line that a crash has cut short nobody has heard."""
        self.term = term
        if self.path:
            fresh = not os.path.exists(self.path)
            with open(self.path, "a", encoding="ascii") as file:
                file.write(f"\n{term} {vote}")
                file.flush()
                os.fsync(file.fileno())
            if fresh and os.name == "posix":  # a new file's name stands in its folder
                folder = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY)
                os.fsync(folder)
                os.close(folder)


def read(frames: list[bytes]) -> tuple[int, str, str] | None:
    """(term, voter, candidate) of a VOTE, (term, leader, "") of a LEAD, None of what is neither."""
    match frames:
        case [b"ELECT1", b"VOTE", term, who, choice] if TERM.fullmatch(term) and choice:
            return int(term), who.decode(errors="replace"), choice.decode(errors="replace")
        case [b"ELECT1", b"LEAD", term, who] if TERM.fullmatch(term):
            return int(term), who.decode(errors="replace"), ""
    return None


@dataclass(eq=False)
class Member:
    """A member's core: PUB "out", SUB "in". Its results are (Role, term, leader or ""), one at each change."""

    name: str
    peers: tuple[str, ...]
    place: Place = address
    timeout: float = TIMEOUT
    spread: float = SPREAD
    paper: Paper = field(default_factory=Paper)
    chance: random.Random = field(default_factory=random.Random)

    def __post_init__(self) -> None:
        if bad := [each for each in (self.name, *self.peers) if not NAME.fullmatch(each)]:
            raise ValueError(f"name: expected 1 to 64 ASCII letters, digits, '_' or '-', got {bad[0]!r}")
        if not self.peers or len({self.name, *self.peers}) <= len(self.peers):
            raise ValueError(f"peers: expected at least one, each once, and not {self.name!r}, got {self.peers!r}")
        if not (0 < self.timeout < NEVER and 0 <= self.spread < NEVER):
            raise ValueError(f"timeout, spread: expected numbers above 0, got {self.timeout!r}, {self.spread!r}")
        self.role, self.term, self.leader, self.votes = Role.FOLLOWER, self.paper.term, "", set[str]()
        self.told, self.deadline = (Role.FOLLOWER, -1, ""), AT_ONCE

    def tick(self, now: float) -> Iterator[Effect]:
        """A leader's next heartbeat is due; or we have heard no leader for as long as we wait, and want to be it."""
        if self.deadline == AT_ONCE:
            yield Open("out", zmq.PUB, self.place(self.name), bind=True)
            for peer in self.peers:
                yield Open("in", zmq.SUB, self.place(peer), options={"heartbeat_ivl": round(PING * 1000), "rcvhwm": 0})
            yield Subscribe("in", VERSION)
            self._wait(now)
        elif self.role is Role.LEADER:
            yield from self._lead(now)
        else:
            self.term, self.leader, self.votes = self.term + 1, "", {self.name}
            self.role = TABLE[self.role, E.SILENCE]
            self._wait(now)
            yield self._vote(self.name)
        yield from self._news()

    def receive(self, socket: str, frames: list[bytes], now: float) -> Iterator[Effect]:
        """A peer's vote, or a leader's heartbeat. What is neither, and what is of an older term, is dropped."""
        term, who, choice = read(frames) or (-1, "", "")
        if term < self.term or who not in self.peers:
            return
        if term > self.term:
            self.term, self.leader = term, ""
            self.role = TABLE[self.role, E.HIGHER]
            self._wait(now)
        if not choice:
            self.role = TABLE[self.role, E.LEADER]
            if self.role is Role.FOLLOWER:
                self.leader = who
                self._wait(now)
        elif choice == who and self.paper.term < term:  # it asks, and one vote a term is ours
            self._wait(now)
            yield self._vote(who)
        elif choice == self.name and self.role is Role.CANDIDATE:
            self.votes.add(who)
            if 2 * len(self.votes) > len(self.peers) + 1:
                self.leader, self.role = self.name, TABLE[self.role, E.MAJORITY]
                yield from self._lead(now)
        yield from self._news()

    def _wait(self, now: float) -> None:
        self.deadline = now + self.timeout + self.chance.uniform(0, self.spread * self.timeout)

    def _vote(self, choice: str) -> Send:
        self.paper.write(self.term, choice)  # before anybody hears of it
        return Send("out", [VERSION, VOTE, b"%d" % self.term, self.name.encode(), choice.encode()])

    def _lead(self, now: float) -> Iterator[Effect]:
        self.deadline = now + self.timeout / BEATS
        yield Send("out", [VERSION, LEAD, b"%d" % self.term, self.name.encode()])

    def _news(self) -> Iterator[Effect]:
        if self.told != (news := (self.role, self.term, self.leader)):
            self.told = news
            yield Result(news)


def member(
    ctx: zmq.Context[Any],
    name: str,
    *peers: str,
    port: int = PORT,
    folder: str = ".",
    place: Place | None = None,
    timeout: float = TIMEOUT,
    report: Callable[[Role, int, str], object] = log,
) -> None:
    """Take part in elections, for ever, and report what we are, in which term, and who leads.

    port    of member A, the same for all; members are letters then
    folder  where our votes are kept, in a file such as A.vote; whoever loses it may vote twice
    place   tells where a member is bound, if it is elsewhere
    """
    place, paper = place or partial(address, port=port), Paper(os.path.join(folder, f"{name}.vote"))
    for role, term, who in run(ctx, Member(name, peers, place, timeout, paper=paper)):
        report(role, term, who or "nobody")


def leader(ctx: zmq.Context[Any], *peers: str, port: int = PORT, place: Place | None = None) -> str:
    """Return who says that it leads, and in which term: the first that is heard, and maybe not for much longer."""
    with ctx.socket(zmq.SUB) as sub:
        sub.heartbeat_ivl, sub.rcvhwm = round(PING * 1000), 0
        sub.subscribe(VERSION)
        for peer in peers:
            sub.connect((place or partial(address, port=port))(peer))
        while True:
            term, who, choice = read(sub.recv_multipart()) or (0, "", "")
            if who in peers and not choice:
                return f"{who} in term {term}"


if __name__ == "__main__":
    from .play import play

    play(member, leader)
