# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a leader that had stood still did not look at the time first.
# Only a message that counts makes it look at the time.

from patterns.leader_election import VERSION, VOTE, Member, Role, read
from patterns.shell import AT_ONCE, Send


class Leased(Member):
    """The lesson's core, and up to when each peer is present."""

    def __post_init__(self):
        super().__post_init__()
        self.present = dict.fromkeys(self.peers, AT_ONCE)
        self.beat = AT_ONCE

    def tick(self, now):
        if self.is_over(now):
            yield from self.step_down(now)
        else:
            yield from super().tick(now)
        self.look_ahead()

    def receive(self, socket, frames, now):
        term, who, *_ = read([VERSION, VOTE, *frames[2:4], b"any"]) or (-1, "")
        known = frames[1] in (VOTE, b"LEAD", b"HERE")
        if known and term >= self.term and who in self.peers and self.is_over(now):
            yield from self.step_down(now)
        match frames:
            case [b"ELECT1", b"HERE", *rest]:
                yield from self.here(socket, rest, now)
            case _:
                said = read(frames)
                if said and said[1:] in [(peer, self.name) for peer in self.peers] and said[0] == self.term:
                    self.present[said[1]] = now + self.timeout
                yield from super().receive(socket, frames, now)
                if said == (self.term, self.leader, "") and self.role is Role.FOLLOWER:
                    yield Send("out", [VERSION, b"HERE", frames[2], self.name.encode(), frames[3]])
        self.look_ahead()

    def here(self, socket, rest, now):
        term, who, leader = read([VERSION, VOTE, *rest]) or (-1, "", "")
        if term > self.term and who != leader:
            yield from super().receive(socket, [VERSION, VOTE, *rest], now)
        elif term == self.term and leader == self.name and who in self.peers:
            self.present[who] = now + self.timeout

    def over(self):
        return sorted(self.present.values())[-((len(self.peers) + 1) // 2)]

    def is_over(self, now):
        return self.role is Role.LEADER and self.over() <= now

    def step_down(self, now):
        self.role, self.leader = Role.FOLLOWER, ""
        self._wait(now)
        yield from self._news()

    def _lead(self, now):
        yield from super()._lead(now)
        self.beat = self.deadline

    def look_ahead(self):
        if self.role is Role.LEADER:
            self.deadline = min(self.beat, self.over())


def member(ctx, name, peers, places, timeout, shell):
    shell(ctx, Leased(name, peers, places.get, timeout))
