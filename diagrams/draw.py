# SPDX-License-Identifier: BSD-3-Clause
"""A recording as a picture, and the same in words. Pure functions to Graphviz.

    sequence(recording)    one column an actor, time downwards
    topology(recording)    who is bound, who connected, which socket types, how many messages went each way
    states(table)          the states of a core and what leads from one to the next

Only what was observed is drawn, under its name: *dropped* and *doubled* by the wire, *late*, *refused* with the
errno, *filtered* by the publisher, *not received* by the end. Each looks different and has its word, so that nothing
hangs on colour. Rows are sorted by causal depth, then messages before marks, actor and frames, and never by the clock,
but for a pause that is asked for: the same exchange gives the same picture whichever thread was quicker. Routing ids
differ in every run; the actor's name stands for them, as ‹client›.
"""

from __future__ import annotations

import base64
import contextlib
import html
import io
import itertools
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import ClassVar

from .recording import WIRE, Event, Frame, Large, Message, Recording, links

COLUMN, ROW, CHARACTER = 130, 34, 6.6  # points: least width of a column, height of a row, width of a character
WIDEST = 26  # characters of a frame that are shown
BARRIERS = {"cut", "frozen", "healed", "killed", "thawed"}  # done from outside, between what was and what came
LINE = {"late": "dashed", "not received": "dotted", "refused": "bold"}
HEAD = {"dropped": "none", "not received": "odot", "refused": "tee", "doubled": "normalnormal", "filtered": "obox"}
SHARP = 2  # pixels of a PNG for each one of the screen
INKS = (0, 0, 0), (0x8A, 0x1C, 0x1C), (0x57, 0x60, 0x6A), (0x9A, 0xA5, 0xB1)  # each in some shades down to white
FILLS = (0xE8, 0xEE, 0xF7), (0xFF, 0xF7, 0xE0), (0xE7, 0xF3, 0xE4)
SUBSCRIBING = {("send", "XSUB"), ("receive", "XPUB")}  # 01 or 00 in front of what is subscribed to or cancelled
FONT = "Helvetica,Arial,sans-serif"
PAPER = {"style": "filled", "fillcolor": "white"}  # under words that a line would cross
PAUSE = {"color": "#9aa5b1", "style": "dotted", "arrowhead": "none"}


@dataclass(frozen=True)
class Picture:
    """A drawing: SVG for the eye; `text`, its alternative in words, for screen readers, tests and plain terminals."""

    dot: str
    text: str

    def __repr__(self) -> str:
        return self.text

    @cached_property
    def svg(self) -> str:
        return _accessible(_render(self.dot, "svg").decode(), self.text)

    @cached_property
    def html(self) -> str:
        """An image with its alternative: what a notebook that nobody has trusted yet shows, here as elsewhere.

        JupyterLab leaves SVG out there, and what cleans HTML on its way to a reader lets a PNG pass, seldom an SVG.
        """
        width, png = _small(_render(self.dot, "png"))
        data = base64.b64encode(png).decode()
        return f'<img width="{width}" src="data:image/png;base64,{data}" alt="{html.escape(self.text)}">'

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"text/html": self.html, "text/plain": self.text}


# -- sequence -------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Row:
    """One height in the picture: a message that left and came at once, one end of a message, or a mark."""

    events: list[int]
    actor: str
    words: str
    message: Message | None = None
    end: str = "both"  # of its message: both, send, receive
    at: float | None = None  # of what parts all that came before from all that came after
    depth: int = 0
    repeated: bool = False
    next: set[int] = field(default_factory=set)


def sequence(
    recording: Recording, *, actors: Sequence[str] = (), rows: int = 60, pause: float | None = None
) -> Picture:
    """Who said what to whom, and what became of it.

    actors  the columns from left to right; by default in the order in which they come to speak
    rows    how many are drawn at most; what is left out is said
    pause   from how many seconds on a silence of everybody is drawn, as a row; what waits through it is seen waiting
    """
    told = _Telling(recording.events, recording.messages(), pause)
    known = list(dict.fromkeys([*told.actors, *recording.actors()]))
    unknown = [a for a in actors if a not in known]
    if unknown:
        raise ValueError(f"actors: expected some of {', '.join(known)}; got {', '.join(unknown)}")
    if pause is not None and not pause > 0:
        raise ValueError(f"pause: expected seconds above 0, got {pause!r}")
    return _picture(told, actors, 0, rows)


def until(recording: Recording, event: Event | None, rows: int) -> tuple[Picture, int]:
    """The `rows` rows of a sequence that end just below the one of this event, and that row's number (0: no such)."""
    told = _Telling(recording.events, recording.messages())
    at = [n for n, row in enumerate(told.rows, 1) if any(recording.events[i] is event for i in row.events)]
    last = min(at[0] + 1 if at else len(told.rows), len(told.rows))
    return _picture(told, (), max(0, last - rows), last), at[0] if at else 0


def _picture(told: _Telling, actors: Sequence[str], first: int, last: int) -> Picture:
    columns = list(dict.fromkeys([*actors, *told.actors]))
    shown = dict(enumerate(told.rows[first:last], first + 1))
    words = [f"{number:2}. {row.words}{', repeated' if row.repeated else ''}" for number, row in shown.items()]
    left = len(told.rows) - last
    more = f"and {left} row{'s' if left > 1 else ''} more" if left > 0 else ""
    text = "\n".join([f"Sequence of {', '.join(columns) or 'nobody'}", *words, *(["    " + more] if more else [])])
    return Picture(_sequence_dot(columns, shown, more, told), text)


class _Telling:
    """Orders the events of a run and finds words for them."""

    def __init__(self, events: Sequence[Event], messages: Sequence[Message], pause: float | None = None) -> None:
        self.events = events
        self.pauses = _pauses(events, pause) if pause else []
        self.hosts = {e.actor: e.detail for e in events if e.kind == "open" and e.detail}
        self.ids = _ids(events)
        self.messages = messages
        self.reopened = _reopened(events)
        level = [m for m in messages if m.receives and m.fate in ("received", "doubled")]
        rows = self._ordered({m.send for m in level if not any(self._through(m, *pause) for pause in self.pauses)})
        self.rows = _folded(rows)
        self.actors = list(
            dict.fromkeys(
                name
                for row in rows
                for name in (row.actor, *((*self.receivers(row.message), *row.message.lost) if row.message else ()))
                if name and name != WIRE
            )
        )

    def _through(self, m: Message, begin: float, end: float) -> bool:
        """Whether a message was sent before a pause and received after it."""
        return self.events[m.send].at <= begin and any(self.events[r].at >= end for r in m.receives)

    def _ordered(self, joined: set[int]) -> list[_Row]:
        """The rows by causal depth. `joined` are the messages to be drawn level; those that cross others are not."""
        while True:
            rows = self._rows(joined)
            crossing = _cyclic(rows)
            if not crossing:
                return sorted(rows, key=lambda r: (r.depth, r.message is None, r.actor, r.words))
            level = {r.message.send for r in crossing if r.message and r.end == "both"}
            if not level:
                raise ValueError("the recording is not causal: its receives and sends wait for one another")
            joined = joined - level

    def _rows(self, joined: set[int]) -> list[_Row]:
        rows: list[_Row] = []
        for m in self.messages:
            level = m.send in joined
            firsts = list({self.events[r].actor: r for r in reversed(m.receives)}.values()) if level else []
            rows.append(
                _Row([m.send, *firsts], m.sender, self._say(m), m, "both" if level or not m.receives else "send")
            )
            for receive in m.receives:
                if receive not in firsts:
                    actor, how = self.events[receive].actor, {"late": " late", "doubled": " again"}.get(m.fate, "")
                    words = f"{actor} gets {self.show(self.events[receive])}{how}"
                    rows.append(_Row([receive], actor, words, m, "receive"))
            if (end := self._closed(m)) is not None:
                words = f"{self.show(self.events[m.send])} finds {m.receiver}'s {self.events[end].socket} closed"
                rows.append(_Row([], m.receiver, words, m, "receive"))
        sent = {i for m in self.messages for i in (m.send, *m.receives)}
        for i, e in enumerate(self.events):
            words = self._mark(i, e) if i not in sent else ""
            if words:
                rows.append(_Row([i], e.actor, words, at=e.at if e.kind in BARRIERS else None))
        rows += [_Row([], "", f"silence for {_seconds(end - begin)}", at=end) for begin, end in self.pauses]
        self._link(rows)
        return rows

    def _closed(self, m: Message) -> int | None:
        """The close of the socket that a late message was for: it came after that, or not at all."""
        if m.fate != "late" or m.receives or len(m.ends) != 1:
            return None
        closes = [i for i, e in enumerate(self.events) if e.kind == "close" and (e.actor, e.socket) == m.ends[0]]
        return closes[0] if closes and closes[0] in self.reopened else None

    def _link(self, rows: list[_Row]) -> None:
        """Put each row before those that must follow: its actor's next, its receive, what came after a barrier."""
        place = {i: n for n, row in enumerate(rows) for i in row.events}
        last: dict[str, int] = {}
        for i in sorted(place, key=lambda i: (self.events[i].at, i)):  # a process's acts are known later than its end
            actor = self.hosts.get(self.events[i].actor, self.events[i].actor)
            if actor in last and last[actor] != place[i]:
                rows[last[actor]].next.add(place[i])
            last[actor] = place[i]
        for n, row in enumerate(rows):
            if row.message and row.end == "receive":
                rows[place[row.message.send]].next.add(n)
                if not row.events and (close := self._closed(row.message)) is not None:
                    rows[place[close]].next.add(n)
            if row.at is not None:
                here = (row.at, row.events[0] if row.events else -1)
                for i, other in place.items():
                    if other != n:
                        before, after = (other, n) if (self.events[i].at, i) < here else (n, other)
                        rows[before].next.add(after)

    def receivers(self, m: Message) -> list[str]:
        """To whom a message went: several, if a PUB sent it."""
        return sorted({self.events[r].actor for r in m.receives}) or list(m.lost) or [m.receiver]

    def _say(self, m: Message) -> str:
        words = f"{m.sender} → {self.whom(m)}: {self.show(self.events[m.send])}"
        if got := self.received_as(m):
            words += f", received as {got}"
        if m.receives and m.lost:
            words += f", dropped on its way to {' and '.join(m.lost)}"
        return ", ".join(filter(None, [words, self.fate(m)]))

    def whom(self, m: Message) -> str:
        """Who has a message, or for whom it was."""
        names = self.receivers(m) if m.fate != "filtered" else ["nobody"]
        if names != [""]:
            return " and ".join(names)
        all_of_them = self.events[m.send].socket.startswith(("PUB", "XPUB"))
        return (" and " if all_of_them else " or ").join(sorted({actor for actor, _ in m.ends})) or "nobody known"

    def fate(self, m: Message) -> str:
        """What became of a message, if it is worth a word."""
        lost = ", not received" if m.fate == "late" and not m.receives else ""
        return {"received": "", "refused": f"refused: {m.detail}"}.get(m.fate, m.fate + lost)

    def received_as(self, m: Message) -> str:
        """The frames of a message at its receiver, if they are not those that were sent."""
        got = self.show(self.events[m.receives[0]]) if m.receives and m.fate == "received" else ""
        return "" if got == self.show(self.events[m.send]) else got

    def _mark(self, i: int, e: Event) -> str:
        """What stands in a row without a message, or nothing for what needs no row."""
        if e.kind == "barred":
            return f"{e.actor} may not receive: {e.detail}" if e.detail != "ETERM" else ""
        if e.kind == "wait":
            return f"{e.actor} waits in vain"
        if e.kind == "note":
            return f"{e.actor}: {e.detail}"
        if e.kind in BARRIERS:
            return f"the {WIRE} is {e.detail or e.kind}" if e.actor == WIRE else f"{e.actor} is {e.kind}"
        if e.kind == "receive":  # of a message whose sender is not recorded
            return f"{e.actor} gets {self.show(e)} from {e.peer or 'nobody known'}"
        if i in self.reopened:
            return f"{e.actor} closes its {e.socket}" if e.kind == "close" else f"{e.actor} opens {e.socket}"
        return ""

    def show(self, e: Event) -> str:
        """The frames of a message as [hello][][world]; routing ids under their actor's name."""
        return "".join(f"[{self._frame(e, n, f)}]" for n, f in enumerate(e.frames))

    def _frame(self, e: Event, n: int, frame: Frame) -> str:
        if isinstance(frame, bytes):
            if n == 0 and frame[:1] in (b"\0", b"\1") and (e.kind, e.socket.split()[0]) in SUBSCRIBING:
                return f"{frame[:1].hex()} {plain(frame[1:])}".rstrip()
            own = self.ids.get((e.actor, e.socket, frame)) if n == 0 and e.socket.startswith("ROUTER") else None
            if own is None and frame.startswith(b"\0") and len(frame) == 5:
                own = self.ids.get(("", "", frame), "id")
            if own is not None:
                return f"‹{own}›"
        return plain(frame)


def _pauses(events: Sequence[Event], least: float) -> list[tuple[float, float]]:
    """From when to when nobody did anything, for at least so many seconds."""
    times = sorted(e.at for e in events)
    return [(a, b) for a, b in itertools.pairwise(times) if b - a >= least]


def _seconds(seconds: float) -> str:
    """Rounded, so that it is the same in the next run."""
    return f"{round(seconds) if seconds >= 1 else round(seconds, 1):g} s"


def _reopened(events: Sequence[Event]) -> set[int]:
    """The closes and opens that are worth a row: where an actor goes on with another socket."""
    result: set[int] = set()
    busy: set[str] = set()
    for i in reversed(range(len(events))):
        e = events[i]
        if e.kind == "close" and e.actor in busy:
            result.add(i)
        if e.kind in ("open", "send", "receive"):
            busy.add(e.actor)
    closed: set[str] = set()
    for i, e in enumerate(events):
        if e.kind == "open" and e.actor in closed:
            result.add(i)
        if e.kind == "close":
            closed.add(e.actor)
    return result


def plain(frame: Frame) -> str:
    """A frame as text: as it reads if it is text, in hexadecimal if it is not, by its size if it is long."""
    if isinstance(frame, Large):
        return f"{frame.size} bytes"
    try:
        text = frame.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or (frame and not text):
        text = "0x" + frame.hex()
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _ids(events: Iterable[Event]) -> dict[tuple[str, str, bytes], str]:
    """Whose routing id it is: by the ROUTER that uses it, and by itself where all ROUTERs agree."""
    ids: dict[tuple[str, str, bytes], str] = {}
    everywhere: dict[bytes, set[str]] = defaultdict(set)
    for e in events:
        if e.kind == "receive" and e.socket.startswith("ROUTER") and e.peer and isinstance(e.frames[0], bytes):
            ids[e.actor, e.socket, e.frames[0]] = e.peer
            everywhere[e.frames[0]].add(e.peer)
    return ids | {("", "", f): names.copy().pop() for f, names in everywhere.items() if len(names) == 1}


def _cyclic(rows: list[_Row]) -> list[_Row]:
    """Set every row's depth; the rows that lie on or between cycles come back, none of them when all is well."""
    before = [0] * len(rows)
    for row in rows:
        row.depth = 1
        for n in row.next:
            before[n] += 1
    ready = [n for n, count in enumerate(before) if not count]
    done = set(ready)
    while ready:
        row = rows[ready.pop()]
        for n in row.next:
            rows[n].depth = max(rows[n].depth, row.depth + 1)
            before[n] -= 1
            if not before[n]:
                ready.append(n)
                done.add(n)
    left = set(range(len(rows))) - done
    while drop := {n for n in left if not rows[n].next & left}:
        left -= drop
    return [rows[n] for n in sorted(left)]


def _folded(rows: list[_Row]) -> list[_Row]:
    """Leave out a row that says the same as the one above it; how often is a matter of luck and is not counted."""
    kept: list[_Row] = []
    for row in rows:
        if kept and kept[-1].words == row.words and row.end == kept[-1].end == "both":
            kept[-1].repeated = True
            kept[-1].events += row.events
        else:
            kept.append(row)
    return kept


def _sequence_dot(columns: list[str], rows: dict[int, _Row], more: str, told: _Telling) -> str:
    x = _places(columns, rows.values(), told)
    right = max(x.values(), default=0)
    dot = _Dot("neato")
    for name in columns:
        dot.node(
            x[name], 0, name, shape="box", style="rounded,filled", fillcolor="#e8eef7", fontsize=12, margin="0.12,0.05"
        )
    heights = {id(row): -ROW * (n + 1) - 6 for n, row in enumerate(rows.values())}
    foot = -ROW * (len(rows) + 1)
    for name in columns:
        dot.edge(dot.point(x[name], -16), dot.point(x[name], foot), color="#9aa5b1", arrowhead="none")
    marks = {id(row): _short(row) for row in rows.values() if row.message is None}
    left = -max([45, *(len(marks[id(r)]) * 3.2 + 20 for r in rows.values() if id(r) in marks and x.get(r.actor) == 0)])
    # Where each message arrives: below the last row that is drawn, at the foot.
    arrivals = {(m.send, told.events[r].actor, r): float(foot) for m in told.messages for r in m.receives}
    for row in rows.values():
        if row.message and row.end != "send":
            ends = [(told.events[r].actor, r) for r in row.message.receives if r in row.events]
            ends += [(row.actor, -1)] if not row.events else []
            arrivals |= {(row.message.send, *end): heights[id(row)] for end in ends}
    begun = {row.message.send for row in rows.values() if row.message and row.end != "receive"}
    for number, row in rows.items():
        y = heights[id(row)]
        dot.label(left, y, f"{number}.", "number")
        if row.message is None:
            where = x.get(row.actor, right / 2)
            if not row.actor:
                dot.edge(dot.point(0, y), dot.point(right, y), **PAUSE)
            kind = told.events[row.events[0]].kind if row.events else ""
            dot.label(where, y, marks[id(row)], {"note": "decision", "": "pause"}.get(kind, "note"))
        elif row.end != "receive":
            _arrow(dot, row, x, y, arrivals, told)
        elif row.message.send not in begun:  # sent above what is drawn
            here, there = x[row.message.sender], x[row.actor]
            dot.edge(dot.point(here, -16), dot.point(there, y), style="solid")
            dot.label(here + (there - here) * 0.7, y + 10, told.show(told.events[row.events[0]]), "frames")
    dot.label(right / 2, foot - 12, more, "number")
    return dot.text()


def _places(columns: list[str], rows: Iterable[_Row], told: _Telling) -> dict[str, int]:
    """Where the columns stand: as close as what is written between them allows."""
    gaps = [max(COLUMN, (len(a) + len(b)) * 4 + 30) for a, b in itertools.pairwise(columns)]
    number = {name: n for n, name in enumerate(columns)}
    spans: dict[tuple[int, int], int] = defaultdict(int)  # from column to column -> points that are wanted
    for row in rows:
        m = row.message
        if m is None:
            continue
        here = number[m.sender]
        longest = max(len(told.show(told.events[i])) for i in (m.send, *m.receives)) + 10 * row.repeated
        for name in told.receivers(m):
            there = number.get(name, min(here + 1, len(gaps)))
            span = min(here, there), max(here, there)
            spans[span] = max(spans[span], int((longest + 5) * CHARACTER))
    for a, b in sorted(spans, key=lambda span: (span[1] - span[0], span)):
        lacking = spans[a, b] - sum(gaps[a:b])
        for n in range(a, b) if lacking > 0 else ():
            gaps[n] += -(-lacking // (b - a))
    return dict(zip(columns, itertools.accumulate(gaps, initial=0), strict=False))


def _short(row: _Row) -> str:
    """The words of a mark in its actor's own column."""
    return row.words.removeprefix(f"{row.actor} ").removeprefix(f"{row.actor}: ") + (
        ", repeated" if row.repeated else ""
    )


def _arrow(
    dot: _Dot,
    row: _Row,
    x: dict[str, int],
    y: int,
    arrivals: dict[tuple[int, str, int], float],
    told: _Telling,
) -> None:
    m = row.message
    assert m is not None
    here = x[m.sender]
    receivers = told.receivers(m)
    there, known = x.get(receivers[0], here + COLUMN), receivers[0] in x
    middle = (here + there) / 2
    style = {"style": LINE.get(m.fate, "solid"), "arrowhead": HEAD.get(m.fate, "normal")}
    label = told.show(told.events[m.send]) + (", repeated" if row.repeated else "")
    fate = told.fate(m)
    if m.fate == "dropped":  # ends on its way
        stop = here + (there - here) * 0.62
        dot.edge(dot.point(here, y), dot.point(stop, y), **style)
        dot.label(stop, y, "✕", "cross")
        dot.label((here + stop) / 2, y + 10, label, "frames")
        dot.label((here + stop) / 2, y - 10, fate, "fate")
        return
    if m.fate in ("refused", "filtered") or not known:  # ends where it began, and points at nobody's column
        side = 1 if there > here else -1
        if m.fate not in ("refused", "filtered"):
            fate = f"to {told.whom(m)}, {fate}"
        dot.edge(dot.point(here, y), dot.point(here + side * 30, y), **style)
        dot.label(here + side * (len(label) * CHARACTER / 2 + 6), y + 10, label, "frames")
        dot.label(here + side * (len(fate) * 5 / 2 + 6), y - 10, fate, "fate")
        return
    if m.fate == "late" and not m.receives:
        style["arrowhead"] = "odot"
    ends = sorted((x[name], end, r) for (send, name, r), end in arrivals.items() if send == m.send) or [(there, y, -1)]
    for where, end, _ in ends:
        dot.edge(dot.point(here, y), dot.point(where, end), **style)
    for name in m.lost if m.receives else ():
        stop = here + (x[name] - here) * 0.62
        dot.edge(dot.point(here, y), dot.point(stop, y), **{**style, "arrowhead": "none"})
        dot.label(stop, y, "✕", "cross")
        dot.label(stop, y - 10, "dropped", "fate")
    got = told.received_as(m)
    got = f"as {got}" if got else ""
    first = next(end for _, end, r in ends if r == (m.receives[0] if m.receives else -1))
    if first == y:
        dot.label(middle, y + 10, label, "frames")
        dot.label(middle, (y + min(end for _, end, _ in ends)) / 2 - 10, fate, "fate")
        dot.label(middle, y - 10, got, "frames")
    else:  # slanted: what was sent stands at its beginning, what became of it at its end
        side = 1 if there > here else -1
        dot.label(here + side * (len(label) * CHARACTER / 2 + 6), y + 10, label, "frames")
        dot.label(there - side * (len(fate) * CHARACTER / 2 + 6), first - 10, fate, "fate")
        dot.label(there - side * (len(got) * CHARACTER / 2 + 6), first - 10, got, "frames")


# -- topology -------------------------------------------------------------------------------------------------


def topology(recording: Recording) -> Picture:
    """The sockets of a run: who is bound, who connected to whom, and how many messages went each way."""
    events, joined = recording.events, links(recording.events)
    how = defaultdict[tuple[str, str], set[str]](set)
    for e in events:
        if e.kind in ("bind", "connect") and e.actor != WIRE:
            how[e.actor, e.socket].add(e.kind)
    does = {socket: " and ".join(f"{kind}s" for kind in sorted(kinds)) for socket, kinds in how.items()}
    counts: dict[tuple[tuple[str, str], tuple[str, str]], int] = defaultdict(int)
    for m in recording.messages():
        for r in m.receives:
            counts[(m.sender, events[m.send].socket), (events[r].actor, events[r].socket)] += 1
    sockets = sorted(how)
    dot = _Dot("dot", rankdir="LR", ranksep="1.6", nodesep="0.35")
    for actor, socket in sockets:
        dot.node(0, 0, f"{actor}\n{socket} {does[actor, socket]}", key=f"{actor}/{socket}", shape="box",
                 style="rounded,filled", fillcolor="#e8eef7", fontsize=12)  # fmt: skip
    words = [f"{a} {does[a, s]} {'an' if s.startswith('X') else 'a'} {s.split()[0]} socket" for a, s in sockets]
    for a in sockets:
        for b in sorted(joined.get(a, ())):
            if "connect" in how[a] and ("bind" not in how[a] or "bind" in how[b]):
                there, back = counts[a, b], counts[b, a]
                way = "both" if there and back else "back" if back else "forward" if there else "none"
                ends = (b[0], a[0]) if a[0] != b[0] else (b[1], a[1])
                ways = [f"{n} to {end}" for n, end in zip((there, back), ends, strict=True) if n] or ["no messages"]
                dot.link("/".join(a), "/".join(b), "\n".join(ways), way)
                words.append(f"{a[0]}'s {a[1]} is connected to {b[0]}'s {b[1]}: {', '.join(ways)}")
    return Picture(dot.text(), "\n".join(["Topology", *words]))


# -- states ---------------------------------------------------------------------------------------------------


def states(table: Mapping[tuple[Enum, Enum], Enum]) -> Picture:
    """A transition table {(state, event): state}: a box a state, and on each arrow the events that lead there.

    The first state of the table is where all begins. Events that change nothing are not drawn; the text names them.
    """
    ways: dict[tuple[str, str], list[str]] = defaultdict(list)
    for (old, event), new in table.items():
        ways[_name(old), _name(new)].append(_name(event))
    names = list(dict.fromkeys(name for way in ways for name in way))
    dot = _Dot("dot", rankdir="LR", ranksep="1.2", nodesep="0.5")
    for name in names:
        lines = 2 if name == names[0] else 1
        dot.node(
            0,
            0,
            name,
            key=name,
            shape="box",
            style="rounded,filled",
            fillcolor="#e8eef7",
            fontsize=12,
            peripheries=lines,
        )
    words = [f"begins {names[0]}"]
    for (state, then), events in ways.items():
        if state != then:
            dot.link(state, then, "\n".join(events))
        words.append(f"{state} {'stays' if state == then else '→'} {then}: {', '.join(events)}")
    return Picture(dot.text(), "\n".join(["States", *words]))


def _name(value: Enum) -> str:
    return value.name.lower().replace("_", " ")


# -- Graphviz -------------------------------------------------------------------------------------------------


class _Dot:
    """The DOT text of one drawing. Positions are points; neato takes them as they are."""

    LOOKS: ClassVar[dict[str, dict[str, object]]] = {
        "frames": {"fontname": "DejaVu Sans Mono,monospace", "fontsize": 10, **PAPER},
        "fate": {"fontname": f"{FONT} italic", "fontsize": 10, "fontcolor": "#8a1c1c", **PAPER},
        "note": {"fontsize": 10, "style": "filled", "fillcolor": "#fff7e0", "shape": "note", "margin": "0.06,0.02"},
        "decision": {
            "fontsize": 10,
            "style": "rounded,filled",
            "fillcolor": "#e7f3e4",
            "shape": "box",
            "penwidth": 2,
            "margin": "0.08,0.02",
        },
        "pause": {"fontname": f"{FONT} italic", "fontsize": 10, **PAPER},
        "number": {"fontsize": 9, "fontcolor": "#57606a"},
        "cross": {"fontsize": 14, "fontcolor": "#8a1c1c"},
    }

    def __init__(self, engine: str, **graph: str) -> None:
        settings = {"bgcolor": "white", "pad": "0.15", "layout": engine, "inputscale": "72", **graph}
        self._lines = [f"graph [{_attributes(settings)}];", f'node [fontname="{FONT}"]; edge [fontname="{FONT}"];']
        self._count = 0

    def node(self, x: float, y: float, label: str, key: str = "", **look: object) -> str:
        self._count += 1
        name = key or f"n{self._count}"
        self._lines.append(f"{_quote(name)} [{_attributes({'label': label, 'pos': f'{x:g},{y:g}!', **look})}];")
        return name

    def label(self, x: float, y: float, words: str, look: str) -> None:
        if not words:
            return
        plaintext: dict[str, object] = {"shape": "plaintext", "margin": "0.02,0", "height": 0, "width": 0}
        self.node(x, y, words, "", **(plaintext | self.LOOKS[look]))

    def point(self, x: float, y: float) -> str:
        return self.node(x, y, "", shape="point", width=0.01, height=0.01, style="invis")

    def edge(self, a: str, b: str, **look: object) -> None:
        self._lines.append(f"{a} -> {b} [{_attributes({'arrowsize': 0.7, **look})}];")

    def link(self, a: str, b: str, words: str, way: str = "forward") -> None:
        look = {"label": words, "fontsize": 10, "dir": way}
        self._lines.append(f"{_quote(a)} -> {_quote(b)} [{_attributes(look)}];")

    def text(self) -> str:
        return "digraph {\n" + "\n".join(f"  {line}" for line in self._lines) + "\n}\n"


def _quote(value: object) -> str:
    text = str(value).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'


def _attributes(values: dict[str, object] | dict[str, str]) -> str:
    return ", ".join(f"{key}={_quote(value)}" for key, value in values.items())


def _render(dot: str, form: str) -> bytes:
    """DOT to "svg" or "png", by the `dot` of this machine, or by the engine that came with pygraphviz."""
    engine = "neato" if 'layout="neato"' in dot else "dot"
    if form == "png":
        dot = dot.replace("{", f'{{ graph [dpi="{96 * SHARP}"];', 1)
    if shutil.which(engine):
        import graphviz

        return bytes(graphviz.pipe(engine, form, dot.encode(), quiet=True))
    try:
        import pygraphviz
    except ImportError:
        raise RuntimeError("pictures need Graphviz: install it (`dot`), or `pip install pygraphviz`") from None
    with _silenced():
        return bytes(pygraphviz.AGraph(string=dot).draw(format=form, prog=engine))


def _small(png: bytes) -> tuple[int, bytes]:
    """The width of a PNG on the screen, and the same image in few colours: a third of the bytes."""
    from PIL import Image

    shades = [tuple(c + (255 - c) * n // 5 for c in ink) for ink in INKS for n in range(5)]
    colors = Image.new("P", (1, 1))
    colors.putpalette([c for color in (*shades, *FILLS, (255, 255, 255)) for c in color])
    few = Image.open(io.BytesIO(png)).convert("RGB").quantize(palette=colors, dither=Image.Dither.NONE)
    few.save(out := io.BytesIO(), "PNG", optimize=True)
    return round(few.width / SHARP), out.getvalue()


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Close file descriptor 2: an engine in this process may complain there of the machine's font settings."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _accessible(svg: str, text: str) -> str:
    """The SVG alone, as wide as its place allows, named and described for who cannot see it."""
    start = svg.index("<svg")
    tag, rest = svg[start:].split(">", 1)
    title, _, described = text.partition("\n")
    words = f"<title>{html.escape(title)}</title>\n<desc>{html.escape(described)}</desc>"
    fit = 'style="max-width:100%;height:auto"'
    return f'{tag} {fit} role="img" aria-label="{html.escape(title)}">\n{words}{rest}'
