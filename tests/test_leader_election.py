# SPDX-License-Identifier: BSD-3-Clause
"""Leader election: tables of cases, hundreds of bad hours among three and five, real processes, and the shell.

`hostile(seed)` is one bad hour, judged by what was said in it alone; `make soak` lives through ten thousand of them.
"""

import itertools
import os
import random
import re
import signal
import socket
import stat
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import zmq
from cores import broken
from sockets import (
    END,
    MS,
    WAIT,
    bound_to,
    curve,
    ended,
    free_port,
    guarantees_hold,
    shell,
    signals,
    turned_away,
    with_one_key,
)

from diagrams.recording import Recording
from diagrams.wire import Wire
from patterns import leader_election
from patterns.leader_election import BEATS, GUARANTEES, TABLE, Event, Member, Paper, Role, address, leader, member, read
from patterns.shell import AT_ONCE, NEVER, Open, Result, Send, Subscribe
from patterns.simulation import Network
from patterns.stage import Stage

SEEDS = 100  # bad hours in this file
FOLLOWER, CANDIDATE, LEADER = Role


def test_the_guarantees_name_tests_that_exist() -> None:
    guarantees_hold(GUARANTEES, globals())


# -- the table and the core ---------------------------------------------------------------------------------------


def test_the_table_is_total_and_only_a_candidate_becomes_leader() -> None:
    assert set(TABLE) == set(itertools.product(Role, Event))
    assert [key for key, role in TABLE.items() if role is LEADER and key[0] is not LEADER] == [
        (CANDIDATE, Event.MAJORITY)
    ]
    assert all(TABLE[role, Event.HIGHER] is FOLLOWER for role in Role)


def vote(term: int, voter: str, choice: str) -> list[bytes]:
    return [b"ELECT1", b"VOTE", b"%d" % term, voter.encode(), choice.encode()]


def lead(term: int, who: str) -> list[bytes]:
    return [b"ELECT1", b"LEAD", b"%d" % term, who.encode()]


class Seat:
    """The core of A, of three or five, and the time of day. Term 5 is its own, or it follows B in it."""

    def __init__(self, role: Role = FOLLOWER, peers: str = "BC", paper: Paper | None = None) -> None:
        self.core = Member("A", tuple(peers), str, paper=paper or Paper(), chance=random.Random(0))
        self.now = 0.0
        list(self.core.tick(0.0))
        if not paper and role is FOLLOWER:
            self.hear(lead(5, "B"))
        elif not paper:
            self.core.term = 4
            self.now = self.core.deadline
            assert self.tick() == [vote(5, "A", "A")]
            if role is LEADER:
                for voter in peers:
                    self.hear(vote(5, voter, "A"))
        assert paper or (self.core.role, self.core.term) == (role, 5)

    def hear(self, frames: list[bytes]) -> list[Any]:
        return self.sent(self.core.receive("in", frames, self.now))

    def tick(self) -> list[Any]:
        return self.sent(self.core.tick(self.now))

    def sent(self, effects: Any) -> list[Any]:
        self.did = list(effects)
        return [effect.frames for effect in self.did if isinstance(effect, Send)]


CASES: dict[str, tuple[list[bytes], dict[Role, tuple[list[list[bytes]], Role, int]]]] = {
    "the leader's heartbeat": (
        lead(5, "B"),
        {FOLLOWER: ([], FOLLOWER, 5), CANDIDATE: ([], FOLLOWER, 5), LEADER: ([], LEADER, 5)},
    ),
    "a heartbeat of a higher term": (lead(9, "B"), {role: ([], FOLLOWER, 9) for role in Role}),
    "a heartbeat of an older term": (lead(4, "B"), {role: ([], role, 5) for role in Role}),
    "somebody asks in a higher term": (vote(9, "C", "C"), {r: ([vote(9, "A", "C")], FOLLOWER, 9) for r in Role}),
    "somebody asks in this term": (
        vote(5, "C", "C"),
        {FOLLOWER: ([vote(5, "A", "C")], FOLLOWER, 5), CANDIDATE: ([], CANDIDATE, 5), LEADER: ([], LEADER, 5)},
    ),
    "somebody asks in an older term": (vote(4, "C", "C"), {role: ([], role, 5) for role in Role}),
    "a vote for us": (
        vote(5, "C", "A"),
        {FOLLOWER: ([], FOLLOWER, 5), CANDIDATE: ([lead(5, "A")], LEADER, 5), LEADER: ([], LEADER, 5)},
    ),
    "a vote for us in an older term": (vote(4, "C", "A"), {role: ([], role, 5) for role in Role}),
    "a vote for another": (vote(5, "C", "B"), {role: ([], role, 5) for role in Role}),
    "a vote for another in a higher term": (vote(9, "C", "B"), {role: ([], FOLLOWER, 9) for role in Role}),
    "a vote of somebody who is no member": (vote(9, "X", "X"), {role: ([], role, 5) for role in Role}),
    "a vote of our own that comes back": (vote(9, "A", "A"), {role: ([], role, 5) for role in Role}),
    "a heartbeat of somebody who is no member": (lead(9, "X"), {role: ([], role, 5) for role in Role}),
}
ODD = [
    [],
    [b""],
    [b"ELECT1"],
    [b"ELECT1", b"LEAD"],
    [b"ELECT2", b"LEAD", b"9", b"B"],
    [b"ELECT1", b"LEAD", b"9", b"B", b""],
    [b"ELECT1", b"VOTE", b"9", b"B"],
    [b"ELECT1", b"VOTE", b"9", b"B", b""],
    [b"ELECT1", b"LEAD", b"", b"B"],
    [b"ELECT1", b"LEAD", b"-9", b"B"],
    [b"ELECT1", b"LEAD", b"9.0", b"B"],
    [b"ELECT1", b"LEAD", b"09", b"B"],
    [b"ELECT1", b"LEAD", "٩".encode(), b"B"],
    [b"ELECT1", b"LEAD", b"9" * 19, b"B"],
    [b"ELECT1", b"LEAD", b"9\n", b"B"],
    [b"ELECT1", b"LEAD", b"9", b"\xff"],
    [b"\x00" * 1000] * 5,
]


@pytest.mark.parametrize("said", CASES)
@pytest.mark.parametrize("role", Role)
def test_what_is_said_in_each_role(role: Role, said: str) -> None:
    frames, expected = CASES[said]
    it = Seat(role)
    sent, becomes, term = expected[role]
    assert it.hear(frames) == sent
    assert (it.core.role, it.core.term) == (becomes, term)
    assert it.core.deadline > it.now


@pytest.mark.parametrize("frames", ODD, ids=repr)
@pytest.mark.parametrize("role", Role)
def test_what_is_no_message_of_ours_is_dropped(role: Role, frames: list[bytes]) -> None:
    it = Seat(role)
    before = it.core.deadline
    assert it.hear(frames) == []
    assert (it.core.role, it.core.term, it.core.deadline) == (role, 5, before)


def test_one_vote_a_term_and_none_for_a_second_who_asks() -> None:
    it = Seat()
    assert it.hear(vote(7, "B", "B")) == [vote(7, "A", "B")]
    assert it.hear(vote(7, "C", "C")) == it.hear(vote(7, "B", "B")) == []
    assert it.hear(vote(8, "C", "C")) == [vote(8, "A", "C")]


def test_a_majority_of_five_is_three_and_no_voter_counts_twice() -> None:
    it = Seat(CANDIDATE, "BCDE")
    assert it.hear(vote(5, "B", "A")) == it.hear(vote(5, "B", "A")) == []
    assert it.hear(vote(5, "C", "A")) == [lead(5, "A")]
    assert it.hear(vote(5, "D", "A")) == []


def test_the_votes_of_an_older_election_do_not_count_in_the_next() -> None:
    it = Seat(CANDIDATE, "BCDE")
    it.hear(vote(5, "B", "A"))
    it.now = it.core.deadline
    assert it.tick() == [vote(6, "A", "A")]
    assert it.hear(vote(6, "C", "A")) == []
    assert it.hear(vote(6, "B", "A")) == [lead(6, "A")]


def test_a_leader_beats_so_many_times_in_one_timeout() -> None:
    it = Seat(LEADER)
    for _ in range(3 * BEATS):
        assert it.core.deadline == it.now + it.core.timeout / BEATS
        it.now = it.core.deadline
        assert it.tick() == [lead(5, "A")]


@pytest.mark.parametrize("frames", [lead(5, "B"), vote(5, "C", "C"), vote(9, "C", "C"), lead(9, "B")], ids=repr)
def test_who_hears_a_leader_or_gives_its_vote_waits_anew(frames: list[bytes]) -> None:
    it = Seat()
    it.now = it.core.deadline - 0.1
    it.hear(frames)
    assert it.now + it.core.timeout <= it.core.deadline <= it.now + it.core.timeout * 2


@pytest.mark.parametrize("frames", [vote(5, "C", "B"), vote(4, "C", "C"), lead(4, "B")], ids=repr)
def test_nothing_else_makes_it_wait_longer(frames: list[bytes]) -> None:
    it = Seat()
    before = it.core.deadline
    it.now = before - 0.1
    it.hear(frames)
    assert it.core.deadline == before


def test_it_begins_by_opening_its_sockets_and_reports_each_change_once() -> None:
    core = Member("A", ("B", "C"), lambda name: f"at {name}")
    assert core.deadline == AT_ONCE
    did = list(core.tick(5.0))
    pings = {"heartbeat_ivl": 5000, "rcvhwm": 0}
    assert did[:4] == [
        Open("out", zmq.PUB, "at A", bind=True),
        Open("in", zmq.SUB, "at B", options=pings),
        Open("in", zmq.SUB, "at C", options=pings),
        Subscribe("in", b"ELECT1"),
    ]
    assert did[4:] == [Result((FOLLOWER, 0, ""))]
    it = Seat()
    for frames, news in [
        (lead(5, "B"), []),
        (vote(6, "C", "C"), [(FOLLOWER, 6, "")]),
        (lead(6, "C"), [(FOLLOWER, 6, "C")]),
    ]:
        it.hear(frames)
        assert [effect.value for effect in it.did if isinstance(effect, Result)] == news


def test_its_vote_is_on_paper_before_it_leaves() -> None:
    paper = Paper()
    it = Seat(paper=paper)
    for effect in it.core.receive("in", vote(7, "B", "B"), 0.0):
        assert paper.term == 7, effect


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Member("", ("B",)), "^name: "),
        (lambda: Member("../A", ("B",)), "^name: "),
        (lambda: Member("A", ("B C",)), "^name: "),
        (lambda: Member("A", ()), "^peers: "),
        (lambda: Member("A", ("B", "B")), "^peers: "),
        (lambda: Member("A", ("A", "B")), "^peers: "),
        (lambda: Member("A", ("B",), timeout=0), "^timeout, spread: "),
        (lambda: Member("A", ("B",), timeout=NEVER), "^timeout, spread: "),
        (lambda: Member("A", ("B",), spread=-1.0), "^timeout, spread: "),
        (lambda: Member("A", ("B",), spread=float("nan")), "^timeout, spread: "),
        (lambda: address("AB"), "^name: "),
    ],
)
def test_what_cannot_work_is_refused_by_its_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# -- on paper -----------------------------------------------------------------------------------------------------


def test_the_term_of_the_last_vote_is_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "A.vote")
    assert Paper(path).term == 0
    Paper(path).write(3, "B")
    paper = Paper(path)
    paper.write(12, "A")
    assert (paper.term, Paper(path).term) == (12, 12)
    assert Path(path).read_text().split("\n") == ["", "3 B", "12 A"]


@pytest.mark.parametrize(("rest", "term"), [("\n", 3), ("\n1", 3), ("\n12", 3), ("\n12 ", 12), ("\n12 Al", 12)])
def test_a_line_that_a_crash_has_cut_short_harms_nobody(tmp_path: Path, rest: str, term: int) -> None:
    path = tmp_path / "A.vote"
    path.write_text("\n3 B" + rest)
    assert Paper(str(path)).term == term
    Paper(str(path)).write(13, "C")
    assert Paper(str(path)).term == 13


def test_who_begins_again_goes_on_in_the_term_of_its_last_vote() -> None:
    it = Seat(paper=(paper := Paper()))
    it.hear(vote(7, "B", "B"))
    it = Seat(paper=paper)
    assert it.hear(vote(7, "C", "C")) == it.hear(vote(6, "C", "C")) == []
    it.now = it.core.deadline
    assert it.tick() == [vote(8, "A", "A")]


# -- bad hours ----------------------------------------------------------------------------------------------------

TROUBLE, CALM = 15.0, 20.0  # seconds: troubles end; a leader is found


def settled(net: Network, names: str) -> bool:
    """Whether one leads, and all others follow it in its term."""
    cores = [net.nodes[name].core for name in names]
    said = {(core.term, core.leader) for core in cores}  # type: ignore[attr-defined]
    roles = sorted(core.role for core in cores)  # type: ignore[attr-defined]
    return len(said) == 1 and roles == [FOLLOWER] * (len(names) - 1) + [LEADER]


class Hour:
    """Three members or five; what befalls them is up to the seed. `lost` are those whose paper a crash burns."""

    def __init__(
        self,
        seed: int,
        recipe: Any = leader_election,
        write: Callable[..., object] = lambda *event: None,
        lost: str = "",
    ) -> None:
        self.recipe, self.chance, self.lost, self.wrong = recipe, random.Random(f"election {seed}"), lost, list[str]()
        self.names = self.chance.choice(["ABC", "ABCDE"])
        self.said, self.write = list[tuple[float, str, list[bytes]]](), write
        self.net = Network(f"election {seed}", write=self.hear)
        self.papers = {name: recipe.Paper() for name in self.names}

    def hear(self, actor: str, kind: str, socket: str, frames: Any, *rest: Any) -> None:
        self.write(actor, kind, socket, frames, *rest)
        if kind == "send":
            self.said.append((rest[-1], actor, list(frames)))

    def make(self, name: str) -> Any:
        if name in self.lost:
            self.papers[name] = self.recipe.Paper()
        peers = tuple(other for other in self.names if other != name)
        return self.recipe.Member(name, peers, str, paper=self.papers[name], chance=self.chance)

    def live(self) -> list[str]:
        net, chance = self.net, self.chance
        for name in self.names:
            net.play(name, partial(self.make, name))
        net.trouble(self.names, until=TROUBLE, every=chance.choice([0.5, 1.0, 3.0]))
        for _ in range(chance.randrange(4)):
            self.divide(chance.uniform(0, TROUBLE))
        net.run(TROUBLE)
        for a, b in itertools.combinations(self.names, 2):
            net.heal(a, b)
        net.run(TROUBLE + CALM)
        self.judge()
        return self.wrong

    def divide(self, at: float) -> None:
        """Part some from the others, for some seconds."""
        some = self.chance.sample(self.names, self.chance.randint(1, len(self.names) - 1))
        over = self.chance.uniform(at, TROUBLE)
        for a, b in itertools.product(some, [name for name in self.names if name not in some]):
            self.net.at(at, partial(self.net.cut, a, b))
            self.net.at(over, partial(self.net.heal, a, b))

    def judge(self) -> None:
        """By what was said alone: one vote of each in a term, one leader, chosen by more than half."""
        votes, leads, last = dict[tuple[str, int], str](), dict[int, str](), defaultdict[str, int](int)
        for at, actor, frames in self.said:
            term, who, choice = read(frames) or (-1, "", "")
            if who != actor or term < last[actor]:
                self.wrong.append(f"{at:.3f} {actor} said {frames} after term {last[actor]}")
            last[actor] = term
            if choice and votes.setdefault((who, term), choice) != choice:
                self.wrong.append(f"{at:.3f} {who} voted a second time in term {term}")
            if not choice:
                voters = [voter for (voter, of), chosen in votes.items() if (of, chosen) == (term, who)]
                if leads.setdefault(term, who) != who:
                    self.wrong.append(f"{at:.3f} {leads[term]} and {who} lead in term {term}")
                if 2 * len(voters) <= len(self.names):
                    self.wrong.append(f"{at:.3f} {who} leads in term {term}, chosen by {voters}")
        end = [read(frames) for at, _, frames in self.said if at > self.net.now - CALM / 2]
        if not settled(self.net, self.names) or len(set(end)) != 1:
            self.wrong.append(f"in calm weather nobody leads for good: {sorted(set(map(str, end)))[-3:]}")


def hostile(seed: int, write: Callable[..., object] = lambda *event: None) -> list[str]:
    """Live through the bad hour of this seed; what went wrong, or nothing."""
    return Hour(seed, write=write).live()


def test_no_term_has_two_leaders_and_in_calm_weather_there_is_one() -> None:
    for seed in range(SEEDS):
        assert not (wrong := hostile(seed)), f"seed {seed}: {wrong[:3]}"


def test_bad_hours_are_bad_and_many_terms_have_a_leader() -> None:
    hours = [Hour(seed) for seed in range(10)]
    leaders = [
        {read(frames) for _, _, frames in hour.said if frames[1] == b"LEAD"} for hour in hours if not hour.live()
    ]
    assert sum(map(len, leaders)) > 30


def test_who_loses_its_paper_votes_twice_and_a_term_gets_two_leaders() -> None:
    wrong = (each for seed in range(SEEDS) for each in Hour(seed, lost="ABCDE").live())
    assert any("voted a second time" in each for each in wrong)
    assert any(" lead in term " in each for each in wrong)


MUTANTS = {
    "gives a vote to whoever asks": ("choice == who and self.paper.term < term", "choice == who"),
    "writes no vote down": ("self.paper.write(self.term, choice)", "pass"),
    "takes half for more than half": ("> len(self.peers) + 1", ">= len(self.peers)"),
    "counts what is said to others": ("elif choice == self.name and", "elif"),
    "counts old votes": ("if term < self.term or who", "if who"),
    "goes on leading when it hears a higher term": ("self.role = TABLE[self.role, E.HIGHER]", "pass"),
    "leads without being chosen": ("if 2 * len(self.votes)", "if 9 * len(self.votes)"),
    "asks again in the same term": ("self.term + 1, ", "max(self.term, 1), "),
    "never says that it leads": ("yield from self._lead(now)\n        else:", "self._wait(now)\n        else:"),
    "does not wait for the leader it hears": (
        "self.leader = who\n                self._wait(now)",
        "self.leader = who",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_bad_hours_tell(name: str) -> None:
    recipe = broken(leader_election, *MUTANTS[name])
    assert any(trouble(seed, recipe) for seed in range(SEEDS))


def trouble(seed: int, recipe: Any) -> bool:
    try:
        return bool(Hour(seed, recipe).live())
    except RuntimeError:  # it would spin
        return True


# -- time ---------------------------------------------------------------------------------------------------------


def play(seed: int, **options: Any) -> Network:
    net = Network(seed)
    for name in "ABC":
        peers = tuple(other for other in "ABC" if other != name)
        net.play(name, lambda n=name, p=peers: Member(n, p, str, chance=random.Random(f"{seed} {n}"), **options))  # type: ignore[misc]
    return net


def reigns(net: Network, until: float, step: float) -> list[float]:
    """For how long, each time, one led and all others followed it."""
    found, before = list[float](), False
    while net.now < until:
        net.run(net.now + step)
        if (now := settled(net, "ABC")) and not before:
            found.append(0.0)
        found[-1:] = [found[-1] + step] if now else found[-1:]
        before = now
    return found


@pytest.mark.parametrize("seed", range(5))
def test_equal_timeouts_may_never_end_and_random_ones_do(seed: int) -> None:
    net = play(seed, spread=0.0)
    net.run(60.0)
    assert {name: net.results[name][-1] for name in "ABC"} == dict.fromkeys("ABC", (CANDIDATE, 60, ""))
    net = play(seed)
    net.run(20.0)
    assert settled(net, "ABC")


def test_on_a_network_slower_than_the_timeouts_nobody_leads_for_long() -> None:
    for seed in range(5):
        assert sum(reigns(play(seed, timeout=0.004), 5.0, 0.001)) < 0.5
        [reign] = reigns(play(seed), 20.0, 0.1)
        assert reign > 10.0


def test_two_lead_at_a_time_and_never_in_one_term() -> None:
    for trouble in "freeze", "cut":
        net = play(49)
        net.run(5.0)
        [old] = [name for name in "ABC" if net.nodes[name].core.role is LEADER]  # type: ignore[attr-defined]
        others = "ABC".replace(old, "")
        for other in others if trouble == "cut" else ():
            net.cut(old, other)
        if trouble == "freeze":
            net.freeze(old)
        net.run(15.0)
        leads = {n: net.nodes[n].core.term for n in "ABC" if net.nodes[n].core.role is LEADER}  # type: ignore[attr-defined]
        assert len(leads) == 2
        assert leads.pop(old) < min(leads.values())
        net.thaw(old)
        for other in others:
            net.heal(old, other)
        net.run(20.0)
        assert settled(net, "ABC")


@signals
def test_a_vote_is_on_the_disk_and_so_is_the_name_of_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = list[bool]()
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(stat.S_ISDIR(os.fstat(file).st_mode)))
    paper = Paper(str(tmp_path / "A.vote"))
    paper.write(1, "B")
    paper.write(2, "A")
    assert synced == [False, True, False]


# -- over sockets -------------------------------------------------------------------------------------------------

QUICK = 0.3  # seconds: the shortest time that a member here waits for a leader


@pytest.fixture
def hall() -> Iterator[Stage]:
    """A stage for processes alone, where a tracing Context would change nothing."""
    with Stage() as it:
        yield it


class Desk:
    """Hears what members report, and waits for it."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.last, self.lock = stage, dict[str, tuple[Role, int, str]](), threading.Condition()
        self.all = list[tuple[str, Role, int, str]]()
        self.told = stage.socket(zmq.PULL, rcvtimeo=MS)
        self.told.bind(stage.endpoint("told"))

    def until(self, over: Callable[[], Any]) -> None:
        until = time.monotonic() + WAIT
        while not over():
            assert time.monotonic() < until, self.last
            who, role, term, leader = (frame.decode() for frame in self.told.recv_multipart())
            self.all.append((who, Role(role), int(term), leader))
            self.last[who] = self.all[-1][1:]

    def leader(self, above: int = 0, among: str = "ABC") -> tuple[str, int]:
        """Wait for a leader of a term above this one."""

        def found() -> list[tuple[str, int]]:
            return [(w, t) for w, (role, t, _) in self.last.items() if role is LEADER and t > above and w in among]

        self.until(found)
        return found()[0]

    def no_term_has_two(self) -> None:
        leads = {(term, who) for who, role, term, _ in self.all if role is LEADER}
        assert len({term for term, _ in leads}) == len(leads)


def taking_part(ctx: Any, name: str, places: dict[str, str], folder: str, told: str, timeout: float) -> None:
    """A member of those that have a place, which reports to the desk."""
    with ctx.socket(zmq.PUSH) as tell:
        tell.connect(told)

        def report(*what: Any) -> None:
            tell.send_multipart([str(word).encode() for word in (name, *what)])

        peers = (peer for peer in places if peer != name)
        member(ctx, name, *peers, folder=folder, place=places.__getitem__, timeout=timeout, report=report)


def part(stage: Stage, name: str, folder: Path, timeout: float = QUICK, **elsewhere: str) -> tuple[Any, ...]:
    places = {each: stage.endpoint(each) for each in "ABC"} | elsewhere
    return taking_part, name, places, str(folder), stage.endpoint("told"), timeout


def test_three_members_choose_a_leader_and_the_others_follow(stage: Stage, tmp_path: Path) -> None:
    desk = Desk(stage)
    for name in "ABC":
        stage.play(*part(stage, name, tmp_path), name=name)
    desk.until(
        lambda: (
            sorted(role for role, *_ in desk.last.values()) == [FOLLOWER, FOLLOWER, LEADER]
            and len({each[1:] for each in desk.last.values()}) == 1
        )
    )
    desk.no_term_has_two()
    [leads] = {leader for _, _, leader in desk.last.values()}
    found = stage.play(partial(leader_election.leader, place=stage.endpoint), *"ABC", name="client").result(WAIT)
    assert found.startswith(f"{leads} in term ")


@signals
def test_a_dead_leader_is_followed_by_another(hall: Stage, tmp_path: Path) -> None:
    desk = Desk(hall)
    members = {name: hall.spawn(*part(hall, name, tmp_path), name=name) for name in "ABC"}
    first, term = desk.leader()
    members[first].kill()
    _, higher = desk.leader(term, "ABC".replace(first, ""))
    hall.spawn(*part(hall, first, tmp_path), name=f"{first} again")
    desk.until(lambda: desk.last[first][1] >= higher and desk.last[first][2] != "nobody")
    desk.no_term_has_two()


@signals
def test_a_leader_that_was_frozen_leads_until_it_hears_of_a_higher_term(hall: Stage, tmp_path: Path) -> None:
    desk = Desk(hall)
    members = {name: hall.spawn(*part(hall, name, tmp_path), name=name) for name in "ABC"}
    first, term = desk.leader()
    members[first].freeze()
    second, higher = desk.leader(term, "ABC".replace(first, ""))
    members[first].thaw()
    desk.until(lambda: desk.last[first][1] >= higher)
    members[second].freeze()  # now no majority is without it
    desk.leader(max(each[1] for each in desk.last.values()), "ABC".replace(second, ""))
    desk.no_term_has_two()
    members[second].thaw()


def test_a_minority_behind_a_cut_elects_nobody(stage: Stage, tmp_path: Path) -> None:
    desk = Desk(stage)
    with Wire(stage.endpoint("A")) as to_a, Wire(stage.endpoint("B")) as to_b, Wire(stage.endpoint("C")) as to_c:
        for wire in to_a, to_b, to_c:
            wire.cut()
        for name in "AB":
            stage.play(*part(stage, name, tmp_path, C=to_c.endpoint), name=name)
        stage.play(*part(stage, "C", tmp_path, A=to_a.endpoint, B=to_b.endpoint), name="C")
        desk.leader()
        desk.until(lambda: desk.last.get("C", (FOLLOWER, 0, ""))[1] > 3)
        assert {(role, leader) for who, role, _, leader in desk.all if who == "C"} == {
            (FOLLOWER, "nobody"),
            (CANDIDATE, "nobody"),
        }
        for wire in to_a, to_b, to_c:
            wire.heal()
        desk.until(lambda: desk.last["C"][2] != "nobody")
        desk.no_term_has_two()


@signals
def test_a_vote_survives_its_voter(hall: Stage, tmp_path: Path) -> None:
    hears = hall.socket(zmq.SUB, rcvtimeo=MS)
    hears.subscribe(b"ELECT1")
    hears.connect(hall.endpoint("A"))
    asks = hall.socket(zmq.PUB)
    asks.bind(hall.endpoint("B"))
    first = hall.spawn(*part(hall, "A", tmp_path), name="A")
    until, said = time.monotonic() + WAIT, None
    while said != (1000, "A", "B"):  # it votes for itself, until it has heard us
        assert time.monotonic() < until
        said = read(hears.recv_multipart())
        asks.send_multipart(vote(1000, "B", "B"))
    first.kill()
    second = hall.spawn(*part(hall, "A", tmp_path), name="A again")
    term, who, choice = read(hears.recv_multipart()) or (0, "", "")
    assert (who, choice) == ("A", "A")
    assert term > 1000, "it may have voted in all terms up to this one"
    second.kill()


def test_what_strangers_say_harms_nobody(stage: Stage, tmp_path: Path) -> None:
    desk, asks = Desk(stage), stage.socket(zmq.XPUB, rcvtimeo=MS)
    asks.bind(stage.endpoint("B"))
    stage.play(*part(stage, "A", tmp_path), name="A")
    assert asks.recv() == b"\1ELECT1"
    stranger = stage.socket(zmq.XSUB, rcvtimeo=MS)
    stranger.connect(stage.endpoint("A"))
    for frames in [b"\1"], [b"\0ELECT1"], vote(9, "B", "B"), [b"x" * 2**20]:
        stranger.send_multipart(frames)
    for frames in [*ODD, vote(9, "X", "X"), vote(2000, "B", "B")]:
        if frames:
            asks.send_multipart(frames)
    desk.until(lambda: desk.last.get("A", (0, 0))[1] >= 2000)


@curve
def test_under_curve_members_elect_and_strangers_hear_no_votes(tmp_path: Path) -> None:
    with with_one_key(Recording()) as (home, street):
        role = partial(member, folder=str(tmp_path), place=home.endpoint, timeout=QUICK, report=lambda *_: None)
        for names in "ABC", "BCA", "CAB":
            home.play(role, *names, name=names[0])
        with turned_away(street, zmq.SUB, home.endpoint("A")):
            found = home.play(partial(leader, place=home.endpoint), *"ABC", name="asking").result(WAIT)
        assert re.fullmatch("[ABC] in term [1-9][0-9]*", found)


# -- from the shell -----------------------------------------------------------------------------------------------


@signals
def test_from_the_shell_three_terminals_and_ctrl_c(tmp_path: Path) -> None:
    port = str(three_ports())
    options = ("--port", port, "--folder", str(tmp_path))
    with (
        shell("leader_election", "member", *"ABC", *options) as one,
        shell("leader_election", "member", *"BCA", *options) as two,
        shell("leader_election", "member", *"CAB", *options) as three,
        shell("leader_election", "leader", *"ABC", "--port", port) as asking,
    ):
        assert [bound_to(each) for each in (one, two, three)] == [[address(name, int(port))] for name in "ABC"]
        code, found, _ = ended(asking)
        assert code == 0
        assert found[0] in "ABC"
        for each in one, two, three:
            each.send_signal(signal.SIGINT)
        since = time.monotonic()
        assert [ended(each)[:2] for each in (one, two, three)] == [(0, "")] * 3
        assert time.monotonic() - since < END
    assert len(list(tmp_path.glob("?.vote"))) > 1


def three_ports() -> int:
    """The first of three ports that are free, one after the other."""
    port = free_port()
    while not all(map(is_free, range(port, port + 3))):
        port += 3
    return port


def is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.bind(("127.0.0.1", port))
        return True
    return False
