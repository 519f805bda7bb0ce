# SPDX-License-Identifier: BSD-3-Clause
"""Drawing: what a picture and its text say, that each fate has its own look and word, and that nothing depends on luck.

Most recordings are made by hand. The looks are read from the DOT text, what a reader sees from the SVG.
"""

import base64
import random
import re
import shutil
import struct
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from html.parser import HTMLParser
from typing import Any

import pytest
import zmq

from diagrams import draw, trace
from diagrams.draw import Picture, sequence, states, topology, until
from diagrams.recording import WIRE, Event, Kind, Large, Recording
from patterns.stage import Stage

SVG = "{http://www.w3.org/2000/svg}"
LIFELINE = "#9aa5b1"


def send(actor: str, *frames: bytes, socket: str = "DEALER", errno: str = "") -> list[Event]:
    outcome = Event(actor, "refused", socket, detail=errno) if errno else Event(actor, "sent", socket)
    return [Event(actor, "send", socket, frames), outcome]


def receive(actor: str, *frames: bytes, of: str = "", socket: str = "DEALER", theirs: str = "DEALER") -> list[Event]:
    return [Event(actor, "receive", socket, frames, of, theirs if of else "")]


def wire(kind: Kind, *frames: bytes, of: str, to: str, theirs: str = "DEALER", socket: str = "DEALER") -> list[Event]:
    return [Event(WIRE, kind, "tcp://127.0.0.1:1", frames, of, theirs, to, socket)]


def recording(*acts: Sequence[Event]) -> Recording:
    """These events one after the other, a second apart."""
    events = [event for act in acts for event in act]
    return Recording(replace(event, at=float(n)) for n, event in enumerate(events))


def lines(picture: Picture) -> list[str]:
    """The text without its title and the numbers of its rows."""
    return [line.partition(". ")[2] or line.strip() for line in picture.text.splitlines()[1:]]


def points(picture: Picture) -> dict[str, tuple[float, float]]:
    found = re.findall(r'^  "(n\d+)" \[.*?pos="(-?[\d.e+]+),(-?[\d.e+]+)!"', picture.dot, re.MULTILINE)
    return {name: (float(x), float(y)) for name, x, y in found}


def arrows(picture: Picture) -> list[tuple[tuple[float, float], tuple[float, float], dict[str, str]]]:
    """Each arrow: where it begins, where it ends, and its look. The actors' own lines are left out."""
    at, result = points(picture), []
    for a, b, look in re.findall(r"^  (n\d+) -> (n\d+) \[(.*)\];", picture.dot, re.MULTILINE):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', look))
        if attributes.get("color") != LIFELINE:
            result.append((at[a], at[b], attributes))
    return result


def seen(picture: Picture) -> list[str]:
    """The words that stand in the SVG, without the numbers of its rows."""
    words = ["".join(node.itertext()) for node in ET.fromstring(picture.svg).iter(f"{SVG}text")]
    return [w for w in words if not re.fullmatch(r"\d+\.", w)]


def heights(picture: Picture) -> dict[str, float]:
    """How far down each label stands."""
    return {w: -float(y) for w, y in re.findall(r'\[label="([^"]+)", pos="[^,]*,(-?[\d.e+]+)!"', picture.dot)}


def numbers(picture: Picture) -> list[int]:
    """The numbers of the rows that are drawn, downwards."""
    return [int(w[:-1]) for w, _ in sorted(heights(picture).items(), key=lambda h: h[1]) if re.fullmatch(r"\d+\.", w)]


# -- fates ----------------------------------------------------------------------------------------------------

FATES: dict[str, tuple[Recording, list[str]]] = {
    "received": (recording(send("a", b"x"), receive("b", b"x", of="a")), ["a → b: [x]"]),
    "dropped": (recording(send("a", b"x"), wire("dropped", b"x", of="a", to="b")), ["a → b: [x], dropped"]),
    "late": (
        recording(send("a", b"x"), wire("delayed", b"x", of="a", to="b"), receive("b", b"x", of="a")),
        ["a → b: [x], late", "b gets [x] late"],
    ),
    "late and not received": (
        recording(send("a", b"x"), wire("delayed", b"x", of="a", to="b")),
        ["a → b: [x], late, not received"],
    ),
    "doubled": (
        recording(
            send("a", b"x"),
            wire("doubled", b"x", of="a", to="b"),
            receive("b", b"x", of="a"),
            receive("b", b"x", of="a"),
        ),
        ["a → b: [x], doubled", "b gets [x] again"],
    ),
    "refused": (recording(send("a", b"x", errno="EAGAIN")), ["a → nobody known: [x], refused: EAGAIN"]),
    "not received": (recording(send("a", b"x")), ["a → nobody known: [x], not received"]),
    "filtered": (
        recording(
            [Event("a", "bind", "PUB", detail="ipc://x"), Event("b", "connect", "SUB", detail="ipc://x")],
            [Event("b", "subscribe", "SUB", (b"y",))],
            send("a", b"x", socket="PUB"),
        ),
        ["a → nobody: [x], filtered"],
    ),
}


@pytest.mark.parametrize(("run", "words"), FATES.values(), ids=FATES.keys())
def test_a_message_is_told_with_its_fate(run: Recording, words: list[str]) -> None:
    assert lines(sequence(run)) == words


@pytest.mark.parametrize(("fate", "run"), [(fate, run) for fate, (run, _) in FATES.items()], ids=FATES.keys())
def test_a_fate_stands_in_the_picture_in_words(fate: str, run: Recording) -> None:
    said = {
        "received": "",
        "late and not received": "late, not received",
        "refused": "refused: EAGAIN",
        "not received": "to nobody known, not received",
    }
    word = said.get(fate, fate)
    words = [w for w in seen(sequence(run)) if w not in ("a", "b", "[x]")]
    assert words == {"": [], "dropped": ["✕", "dropped"]}.get(word, [word])


def test_no_two_fates_look_the_same_even_without_colour_and_words() -> None:
    looks = {}
    for fate, (run, _) in FATES.items():
        edges = arrows(sequence(run))
        looks[fate] = {(look["style"], look["arrowhead"], "✕" in sequence(run).dot) for _, _, look in edges}
    assert all(len(look) == 1 for look in looks.values())
    assert len({frozenset(look) for look in looks.values()}) == len(FATES)


def test_what_was_dropped_ends_on_its_way_and_what_was_received_at_its_receiver() -> None:
    other = send("b", b"y") + receive("a", b"y", of="b")
    dropped = arrows(sequence(recording(FATES["dropped"][0].events, other)))[0]
    received = arrows(sequence(recording(FATES["received"][0].events, other)))[0]
    assert 0 == received[0][0] == dropped[0][0] < dropped[1][0] < received[1][0]


def test_a_late_message_and_the_second_of_a_doubled_one_arrive_further_down() -> None:
    ((_, (_, late), _),) = arrows(sequence(FATES["late"][0]))
    first, second = sorted((end[1] for _, end, _ in arrows(sequence(FATES["doubled"][0]))), reverse=True)
    assert late < first
    assert second < first


# -- what is told ---------------------------------------------------------------------------------------------


def test_every_event_that_counts_is_told() -> None:
    run = recording(
        [
            Event("client", "open", "REQ"),
            Event("server", "open", "REP"),
            Event("client", "barred", "REQ", detail="EFSM"),
        ],
        send("client", b"ask", socket="REQ"),
        send("client", b"again", socket="REQ", errno="EFSM"),
        receive("server", b"ask", of="client", socket="REP", theirs="REQ"),
        [Event("server", "frozen"), Event("client", "wait", "REQ"), Event("client", "close", "REQ")],
        [Event("client", "open", "REQ 2"), Event("server", "thawed")],
        send("server", b"OK", socket="REP"),
        [Event(WIRE, "cut", "tcp://127.0.0.1:1"), Event(WIRE, "healed", "tcp://127.0.0.1:1")],
        send("client", b"ask", socket="REQ 2"),
        receive("client", b"from afar", of="stranger", socket="REQ 2"),
        [
            Event("server", "killed"),
            Event("client", "barred", "REQ 2", detail="ETERM"),
            Event("client", "close", "REQ 2"),
        ],
    )
    assert lines(sequence(run)) == [
        "client may not receive: EFSM",
        "client → server: [ask]",
        "client → nobody known: [again], refused: EFSM",
        "server is frozen",
        "client waits in vain",
        "client closes its REQ",
        "client opens REQ 2",
        "server is thawed",
        "server → client: [OK], not received",
        "the wire is cut",
        "the wire is healed",
        "client → nobody known: [ask], not received",
        "client gets [from afar] from stranger",
        "server is killed",
    ]


def test_what_was_done_from_outside_stands_in_the_picture() -> None:
    run = recording(send("a", b"x"), [Event("a", "frozen"), Event("a", "killed"), Event(WIRE, "cut", "tcp://x")])
    assert {"is frozen", "is killed", "the wire is cut"} <= set(seen(sequence(run)))


def test_what_was_received_with_another_envelope_is_told_with_both() -> None:
    run = recording(
        send("a", b"x", socket="REQ"), receive("r", b"\0\1\2\3\4", b"", b"x", of="a", socket="ROUTER", theirs="REQ")
    )
    picture = sequence(run)
    assert lines(picture) == ["a → r: [x], received as [‹a›][][x]"]
    above, line, below = (heights(picture)[w] for w in ("[x]", "1.", "as [‹a›][][x]"))
    assert above < line < below


def test_a_publication_goes_to_each_of_its_subscribers() -> None:
    run = recording(
        send("pub", b"x", socket="PUB"),
        receive("t", b"x", of="pub", socket="SUB", theirs="PUB"),
        receive("s", b"x", of="pub", socket="SUB", theirs="PUB"),
    )
    picture = sequence(run)
    assert picture.text == "Sequence of pub, s, t\n 1. pub → s and t: [x]"
    ends = [(a[1], b) for a, b, _ in arrows(picture)]
    assert len({b[0] for _, b in ends}) == 2
    assert all(a == b[1] for a, b in ends)


def test_a_publication_that_the_wire_dropped_for_one_subscriber_is_told_with_both_fates() -> None:
    run = recording(
        send("pub", b"x", socket="PUB"),
        wire("passed", b"x", of="pub", to="s", theirs="PUB", socket="SUB"),
        wire("dropped", b"x", of="pub", to="t", theirs="PUB", socket="SUB"),
        receive("s", b"x", of="pub", socket="SUB", theirs="PUB"),
    )
    picture = sequence(run)
    assert picture.text == "Sequence of pub, s, t\n 1. pub → s: [x], dropped on its way to t"
    assert "✕" in seen(picture)


def test_messages_that_cross_are_drawn_slanted() -> None:
    run = recording(send("a", b"1"), send("b", b"2"), receive("b", b"1", of="a"), receive("a", b"2", of="b"))
    picture = sequence(run)
    assert sorted(lines(picture)) == ["a gets [2]", "a → b: [1]", "b gets [1]", "b → a: [2]"]
    assert len(arrows(picture)) == 2
    assert all(end[1] < begin[1] for begin, end, _ in arrows(picture))


def test_a_late_message_for_a_socket_that_was_given_up_comes_after_that() -> None:
    run = recording(
        send("server", b"OK"),
        wire("delayed", b"OK", of="server", to="client", socket="REQ"),
        [Event("client", "wait", "REQ"), Event("client", "close", "REQ"), Event("client", "open", "REQ 2")],
        send("client", b"again", socket="REQ 2"),
    )
    picture = sequence(run)
    assert lines(picture)[-5:] == [
        "client waits in vain",
        "client closes its REQ",
        "[OK] finds client's REQ closed",
        "client opens REQ 2",
        "client → nobody known: [again], not received",
    ]
    assert heights(picture)["closes its REQ"] < heights(picture)["late, not received"]


# Who may have what nobody received: a socket's ends, and what SUBs subscribed to
QUEUES: dict[str, tuple[str, list[tuple[str, str, list[bytes]]], str]] = {
    "one reader": ("PUSH", [("b", "PULL", [])], "a → b: [x], not received"),
    "one of two readers": ("PUSH", [("b", "PULL", []), ("c", "PULL", [])], "a → b or c: [x], not received"),
    "a reader that may want it": ("PUB", [("b", "SUB", [])], "a → b: [x], not received"),
    "two that want it": ("PUB", [("b", "SUB", [b""]), ("c", "SUB", [b"x"])], "a → b and c: [x], not received"),
    "one of two wants it": ("PUB", [("b", "SUB", [b"y"]), ("c", "SUB", [b"y", b"x"])], "a → c: [x], not received"),
    "nobody wants it": ("XPUB", [("b", "SUB", [b"y"]), ("c", "SUB", [b"xy"])], "a → nobody: [x], filtered"),
    "nobody wants it, says an XSUB": ("PUB", [("b", "XSUB", [b"y"])], "a → nobody: [x], filtered"),
    "nobody is there": ("PUB", [], "a → nobody known: [x], not received"),
    "a name that the ROUTER does not know": ("ROUTER", [("b", "DEALER", [])], "a → nobody known: [x], not received"),
}


@pytest.mark.parametrize(("kind", "ends", "told"), QUEUES.values(), ids=QUEUES.keys())
def test_what_nobody_received_is_told_with_those_who_may_have_it(
    kind: str, ends: list[tuple[str, str, list[bytes]]], told: str
) -> None:
    run = recording(
        [Event("a", "bind", kind, detail="ipc://x")],
        *(
            [
                Event(name, "send", sub, (b"\1" + p,)) if sub == "XSUB" else Event(name, "subscribe", sub, (p,))
                for p in prefixes
            ]
            + [Event(name, "connect", sub, detail="ipc://x")]
            for name, sub, prefixes in ends
        ),
        send("a", b"x", socket=kind),
    )
    assert told in lines(sequence(run))


def test_what_goes_to_nobody_known_points_at_nobodys_column() -> None:
    run = recording(FATES["received"][0].events, send("a", b"y", socket="ROUTER"))
    known, unknown = (end[0] for _, end, _ in arrows(sequence(run)))
    assert unknown < known / 4


# -- time and decisions ---------------------------------------------------------------------------------------


def asleep(seconds: float) -> Recording:
    """A message that lies in a queue for so long, and a decision."""
    acts = [(e, 0.0) for e in send("a", b"x")] + [(e, seconds) for e in receive("b", b"x", of="a")]
    run = Recording(replace(event, at=at) for event, at in acts)
    run.note("b", "gone", at=seconds)
    return run


def test_a_decision_stands_in_its_actors_column() -> None:
    picture = sequence(asleep(0.0))
    assert lines(picture) == ["a → b: [x]", "b: gone"]
    assert "gone" in seen(picture)
    assert 'shape="note"' not in picture.dot  # as what happens to an actor is drawn
    with pytest.raises(ValueError, match="words: expected"):
        Recording().note("b", "")


def test_a_pause_is_drawn_if_asked_for_and_what_waits_through_it_is_seen_waiting() -> None:
    assert lines(sequence(asleep(2.04))) == ["a → b: [x]", "b: gone"]
    picture = sequence(asleep(2.04), pause=1)
    assert lines(picture) == ["a → b: [x]", "silence for 2 s", "b gets [x]", "b: gone"]
    ((begin, end, _),) = [arrow for arrow in arrows(picture) if arrow[2]["arrowhead"] == "normal"]
    assert -begin[1] < heights(picture)["silence for 2 s"] < -end[1]
    assert lines(sequence(asleep(0.31), pause=0.3))[1] == "silence for 0.3 s"
    with pytest.raises(ValueError, match="pause: expected seconds above 0, got 0"):
        sequence(asleep(2.0), pause=0)


def test_only_what_waits_through_a_pause_is_drawn_slanted() -> None:
    acts = [*send("a", b"1"), *send("a", b"2"), *receive("b", b"2", of="a"), *receive("c", b"1", of="a")]
    run = Recording(replace(event, at=float(at)) for event, at in zip(acts, (0, 0, 0, 0, 0, 5), strict=True))
    assert lines(sequence(run, pause=1)) == ["a → c: [1]", "a → b: [2]", "silence for 5 s", "c gets [1]"]


def test_two_parts_of_one_thread_keep_the_order_in_which_they_were_played() -> None:
    run = recording(
        [Event("Bob", "open", "PUSH", detail="notebook")],
        send("Bob", b"1", socket="PUSH"),
        [Event("Ann", "open", "PUSH", detail="notebook")],
        send("Ann", b"2", socket="PUSH"),
    )
    assert [line[:3] for line in lines(sequence(run))] == ["Bob", "Ann"]


def test_messages_that_follow_one_another_are_drawn_level() -> None:
    run = recording(send("a", b"1"), receive("b", b"1", of="a"), send("b", b"2"), receive("a", b"2", of="b"))
    picture = sequence(run)
    assert lines(picture) == ["a → b: [1]", "b → a: [2]"]
    assert all(begin[1] == end[1] for begin, end, _ in arrows(picture))


def test_ten_messages_each_way_that_all_cross_are_drawn() -> None:
    both = [("a", "b"), ("b", "a")]
    sends = [send(a, b"%d" % n) for n in range(10) for a, _ in both]
    receives = [receive(b, b"%d" % n, of=a) for n in range(10) for a, b in both]
    run = recording(*sends, *receives)
    assert len(lines(sequence(run, rows=100))) == 40
    assert len(arrows(sequence(run, rows=100))) == 20


def test_a_recording_that_cannot_have_happened_is_refused() -> None:
    run = recording(receive("a", b"2", of="b"), send("a", b"1"), receive("b", b"1", of="a"), send("b", b"2"))
    with pytest.raises(ValueError, match="not causal"):
        sequence(run)


def test_repeats_are_folded_and_not_counted() -> None:
    def beats(times: int) -> Recording:
        beat = send("a", b"HEARTBEAT") + receive("b", b"HEARTBEAT", of="a")
        return recording(*[beat] * times, send("a", b"x"))

    once, twice, often = (sequence(beats(times)) for times in (1, 2, 30))
    assert lines(twice)[0] == "a → b: [HEARTBEAT], repeated"
    assert len(lines(twice)) == 2
    assert (twice.text, twice.dot) == (often.text, often.dot)
    assert lines(once)[0] == "a → b: [HEARTBEAT]"
    assert "[HEARTBEAT], repeated" in seen(often)


def test_events_of_a_process_that_became_known_late_stand_where_they_happened() -> None:
    run = Recording(
        [
            Event("client", "send", "REQ", (b"ask",), at=1.0),
            Event("server", "frozen", at=4.0),
            Event("client", "wait", "REQ", at=5.0),
            Event("server", "receive", "REP", (b"ask",), "client", "REQ", at=2.0),
            Event("server", "send", "REP", (b"OK",), at=3.0),
        ]
    )
    assert lines(sequence(run)) == [
        "client → server: [ask]",
        "server → client: [OK], not received",
        "server is frozen",
        "client waits in vain",
    ]


# -- frames and names -----------------------------------------------------------------------------------------

IDS = {
    "two clients of one ROUTER": ([("a", b"\0\1\1\1\1"), ("b", b"\0\2\2\2\2")], ["‹a›", "‹b›"]),
    "ids that were chosen": ([("a", b"left"), ("b", b"\xff")], ["‹a›", "‹b›"]),
    "a client that nothing names": ([("", b"\0\1\1\1\1")], ["‹id›"]),
    "a name that nothing names": ([("", b"left")], ["left"]),
}


@pytest.mark.parametrize(("clients", "shown"), IDS.values(), ids=IDS.keys())
def test_a_routing_id_is_shown_as_its_actors_name(clients: list[tuple[str, bytes]], shown: list[str]) -> None:
    run = recording(*(receive("r", routing_id, b"x", of=name, socket="ROUTER") for name, routing_id in clients))
    told = [line.removeprefix("r gets [").partition("]")[0] for line in lines(sequence(run))]
    assert told == shown


@pytest.mark.parametrize(
    ("frame", "shown"), [(b"\0milk", "00 milk"), (b"\1milk", "01 milk"), (b"\1", "01"), (b"\1\xff", "01 0xff")]
)
def test_a_subscription_is_shown_as_such_and_is_no_routing_id(frame: bytes, shown: str) -> None:
    run = recording(send("a", frame, socket="XSUB"), receive("b", frame, of="a", socket="XPUB", theirs="XSUB"))
    assert lines(sequence(run)) == [f"a → b: [{shown}]"]


def test_ids_that_differ_from_run_to_run_do_not_change_the_picture() -> None:
    def run(routing_id: bytes) -> Recording:
        return recording(
            send("a", b"x"),
            receive("r", routing_id, b"x", of="a", socket="ROUTER"),
            send("r", routing_id, b"y", socket="ROUTER"),
            receive("a", b"y", of="r", theirs="ROUTER"),
        )

    one, two = sequence(run(b"\0\1\1\1\1")), sequence(run(b"\0zzzz"))
    assert (one.dot, one.text) == (two.dot, two.text)


ODD = {
    "an empty frame": (b"", "[]"),
    "a zero": (b"\0", "[0x00]"),
    "control characters": (b"a\tb\x1b[31m\n", "[0x6109621b5b33316d0a]"),
    "bytes that are no text": (b"\xff\xfe", "[0xfffe]"),
    "text of the world": ("żółw 日本 ✓".encode(), "[żółw 日本 ✓]"),
    "text that changes direction": ("a\u202eb".encode(), "[0x61e280ae62]"),
    "a long text": (b"a" * 40, "[" + "a" * 25 + "…]"),
    "long binary": (b"\xff" * 40, "[0x" + "f" * 23 + "…]"),
    "tags": (b"<b>&</b>", "[<b>&</b>]"),
    "an entity": (b"&lt;&#65;&amp;", "[&lt;&#65;&amp;]"),
    "the end of a section": (b"]]>", "[]]>]"),
    "quotes": (b'"\'"', '["\'"]'),
    "backslashes": (b"\\ \\\\ \\N \\n", "[\\ \\\\ \\N \\n]"),
    "a backslash at the end": (b"x\\", "[x\\]"),
    "a record": (b"{a|b}", "[{a|b}]"),
    "what looks like DOT": (b'"]; x -> y [', '["]; x -> y []'),
    "an attribute": (b'layout="dot"', '[layout="dot"]'),
}


@pytest.mark.parametrize(("frame", "shown"), ODD.values(), ids=ODD.keys())
def test_an_odd_frame_is_shown_as_it_is_told_and_breaks_nothing(frame: bytes, shown: str) -> None:
    picture = sequence(recording(send("a", frame), receive("b", frame, of="a")))
    assert lines(picture) == [f"a → b: {shown}"]
    assert seen(picture) == ["a", "b", shown]
    described = ET.fromstring(picture.svg).find(f"{SVG}desc")
    assert described is not None
    assert described.text == f" 1. a → b: {shown}"


@pytest.mark.parametrize("name", ['<&">', "back\\slash\\N", "&amp;", "a:b", "-> x", "żółw"], ids="the name {}".format)
def test_an_actor_with_an_odd_name_breaks_nothing(name: str) -> None:
    events = [Event(name, "bind", "REP", detail="ipc://x"), Event("b", "connect", "REQ", detail="ipc://x")]
    run = recording(events, send("b", b"x", socket="REQ"), receive(name, b"x", of="b", socket="REP", theirs="REQ"))
    assert seen(sequence(run))[:2] == ["b", name]
    assert name in seen(topology(run))
    assert ET.fromstring(sequence(run).svg).get("aria-label") == f"Sequence of b, {name}"


def test_a_large_frame_is_shown_by_its_size() -> None:
    run = Recording([Event("a", "send", "PUSH", (b"id", Large(70_000, "0123456789ab", b"head")))])
    assert lines(sequence(run)) == ["a → nobody known: [id][70000 bytes], not received"]


# -- what a picture is ----------------------------------------------------------------------------------------


def test_a_picture_has_a_role_a_title_and_a_description() -> None:
    root = ET.fromstring(sequence(FATES["dropped"][0]).svg)
    assert (root.get("role"), root.get("aria-label")) == ("img", "Sequence of a, b")
    assert [(node.tag, node.text) for node in list(root)[:2]] == [
        (f"{SVG}title", "Sequence of a, b"),
        (f"{SVG}desc", " 1. a → b: [x], dropped"),
    ]


def test_a_cell_shows_a_picture_and_its_text() -> None:
    picture = sequence(FATES["received"][0])
    assert repr(picture) == picture.text == "Sequence of a, b\n 1. a → b: [x]"
    assert picture._repr_mimebundle_() == {"text/html": picture.html, "text/plain": picture.text}
    assert picture.svg.startswith("<svg")


class Image(HTMLParser):
    """The only tag that is fed to it."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not hasattr(self, "tag")
        self.tag, self.look = tag, dict(attrs)


@pytest.fixture(params=["installed", "by pip"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by pip":
        pytest.importorskip("pygraphviz")
        without_executable(monkeypatch)
    elif not shutil.which("dot"):
        pytest.skip("Graphviz is not installed here")


@pytest.mark.usefixtures("engine")
def test_what_a_notebook_stores_is_an_image_that_needs_no_trust_sharp_and_small_and_has_its_words() -> None:
    long: list[Event] = []
    for n in range(14):
        long += send("a", b"", b"tea & <milk>", b"no. %d" % n)
        long += receive("b", b"", b"tea & <milk>", b"no. %d" % n, of="a")
    picture = sequence(recording(long))
    image = Image()
    image.feed(picture.html)
    assert (image.tag, sorted(image.look)) == ("img", ["alt", "src", "width"])
    assert image.look["alt"] == picture.text
    form, _, data = str(image.look["src"]).partition(",")
    png = base64.b64decode(data)
    assert (form, png[:4]) == ("data:image/png;base64", b"\x89PNG")
    width, _, depth, colors = struct.unpack(">IIBB", png[16:26])
    assert (depth, colors) == (8, 3)  # a palette
    points = float(str(ET.fromstring(picture.svg).get("width")).removesuffix("pt"))
    assert int(str(image.look["width"])) == pytest.approx(points * 96 / 72, abs=2)
    assert width == pytest.approx(2 * points * 96 / 72, abs=4)
    assert len(data) < 40_000


@pytest.mark.parametrize("make", [sequence, topology], ids=["sequence", "topology"])
def test_a_run_in_which_nothing_happened_is_drawn_too(make: Callable[[Recording], Picture]) -> None:
    picture = make(Recording())
    assert len(picture.text.splitlines()) == 1
    ET.fromstring(picture.svg)


def test_columns_come_in_the_order_that_was_asked_for() -> None:
    run = FATES["received"][0]
    assert sequence(run, actors=["b"]).text.startswith("Sequence of b, a\n")
    with pytest.raises(ValueError, match="expected some of a, b; got c"):
        sequence(run, actors=["c"])


def test_who_said_nothing_has_a_column_if_asked_for() -> None:
    run = recording(FATES["received"][0].events, [Event("new server", "bind", "REP", detail="ipc://x")])
    assert sequence(run).text.startswith("Sequence of a, b\n")
    assert sequence(run, actors=["a", "b", "new server"]).text.startswith("Sequence of a, b, new server\n")


def test_rows_have_the_same_numbers_in_the_picture_as_in_the_words() -> None:
    run = recording(*(send("a", b"%d" % n) for n in range(9)), [Event("a", "wait", "DEALER")])
    assert numbers(sequence(run)) == list(range(1, 11))
    assert numbers(until(run, run.events[14], 3)[0]) == [7, 8, 9]


def test_a_message_that_left_above_what_is_shown_comes_from_above() -> None:
    run = recording(
        send("a", b"x"),
        wire("delayed", b"x", of="a", to="b"),
        *(send("b", b"%d" % n) for n in range(5)),
        receive("b", b"x", of="a"),
    )
    picture, row = until(run, run.events[-1], 2)
    assert numbers(picture) == [6, 7]
    (*_, (begin, end, _)) = arrows(picture)
    assert (begin[0], begin[1], end[1]) == (0, -16, -heights(picture)[f"{row}."])


def test_rows_beyond_the_limit_are_counted() -> None:
    run = recording(*(send("a", b"%d" % n) for n in range(9)))
    assert lines(sequence(run, rows=2)) == [
        "a → nobody known: [0], not received",
        "a → nobody known: [1], not received",
        "and 7 rows more",
    ]
    assert "and 7 rows more" in seen(sequence(run, rows=2))
    assert lines(sequence(run, rows=8))[-1] == "and 1 row more"
    assert len(arrows(sequence(run, rows=2))) == 2


def test_a_message_that_arrives_below_the_last_row_goes_on_to_the_foot() -> None:
    run = recording(send("a", b"x"), wire("delayed", b"x", of="a", to="b"), send("b", b"y"), receive("b", b"x", of="a"))
    ((begin, end, _), *_) = arrows(sequence(run, rows=2))
    assert end[1] < begin[1]


def test_a_cropped_sequence_ends_below_the_event_that_was_asked_for() -> None:
    run = recording(*(send("a", b"%d" % n) for n in range(9)))
    picture, row = until(run, run.events[8], 3)
    assert row == 5
    assert [line.strip() for line in picture.text.splitlines()[1:]] == [
        "4. a → nobody known: [3], not received",
        "5. a → nobody known: [4], not received",
        "6. a → nobody known: [5], not received",
        "and 3 rows more",
    ]


def test_an_event_in_a_folded_row_is_found() -> None:
    run = recording(*(send("a", b"x") + receive("b", b"x", of="a") for _ in range(5)), send("a", b"y"))
    assert [until(run, run.events[n], 9)[1] for n in (0, 3, 11, 15)] == [1, 1, 1, 2]
    assert until(run, None, 9)[1] == 0


def test_a_topology_tells_of_a_socket_that_binds_and_connects() -> None:
    run = recording(
        [Event("a", "bind", "PUB", detail="ipc://a"), Event("b", "connect", "SUB", detail="ipc://a")],
        [Event("c", "bind", "SUB", detail="ipc://c"), Event("a", "connect", "PUB", detail="ipc://c")],
        send("a", b"x", socket="PUB"),
        receive("b", b"x", of="a", socket="SUB", theirs="PUB"),
        receive("c", b"x", of="a", socket="SUB", theirs="PUB"),
    )
    assert topology(run).text.splitlines() == [
        "Topology",
        "a binds and connects a PUB socket",
        "b connects a SUB socket",
        "c binds a SUB socket",
        "a's PUB is connected to c's SUB: 1 to c",
        "b's SUB is connected to a's PUB: 1 to b",
    ]


def test_a_topology_tells_who_is_joined_to_whom_and_how_many_messages_went_each_way() -> None:
    run = recording(
        [Event("server", "bind", "REP", detail="tcp://127.0.0.1:2")],
        [Event(WIRE, "bind", "tcp://127.0.0.1:1", detail="tcp://127.0.0.1:2")],
        [Event("a", "connect", "REQ", detail="tcp://127.0.0.1:1")],
        [Event("b", "connect", "REQ", detail="tcp://127.0.0.1:2"), Event("c", "connect", "SUB 2", detail="ipc://x")],
        *[send("a", b"x", socket="REQ") + receive("server", b"x", of="a", socket="REP", theirs="REQ")] * 2,
        send("server", b"y", socket="REP"),
        receive("a", b"y", of="server", socket="REQ", theirs="REP"),
    )
    picture = topology(run)
    assert picture.text.splitlines() == [
        "Topology",
        "a connects a REQ socket",
        "b connects a REQ socket",
        "c connects a SUB socket",
        "server binds a REP socket",
        "a's REQ is connected to server's REP: 2 to server, 1 to a",
        "b's REQ is connected to server's REP: no messages",
    ]
    assert {"2 to server", "1 to a", "no messages", "server", "REP binds", "SUB 2 connects"} <= set(seen(picture))


# -- engines --------------------------------------------------------------------------------------------------


def without_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw.shutil, "which", lambda name: None)


@pytest.mark.parametrize(("there", "back", "way"), [(0, 0, "none"), (1, 0, "forward"), (0, 1, "back"), (1, 1, "both")])
def test_an_arrow_of_a_topology_points_where_messages_went(there: int, back: int, way: str) -> None:
    run = Recording()
    with Stage(trace.Context(run)) as stage:
        a, b = (stage.socket(zmq.DEALER, rcvtimeo=5000) for _ in "ab")
        a.bind(stage.endpoint("a"))
        b.connect(stage.endpoint("a"))
        b.poll(0)
        for sender, receiver, count in ((b, a, there), (a, b, back)):
            for _ in range(count):
                sender.send(b"x")
                receiver.recv()
    [link] = re.findall(r'" -> .*dir="(\w+)"', topology(run).dot)
    assert link == way


class Light(Enum):
    RED = 1
    GREEN = 2
    OUT_OF_ORDER = 3


class Seen(Enum):
    TIME = 1
    STORM = 2


LIGHTS = {
    (Light.RED, Seen.TIME): Light.GREEN,
    (Light.RED, Seen.STORM): Light.OUT_OF_ORDER,
    (Light.GREEN, Seen.TIME): Light.RED,
    (Light.GREEN, Seen.STORM): Light.OUT_OF_ORDER,
    (Light.OUT_OF_ORDER, Seen.TIME): Light.OUT_OF_ORDER,
    (Light.OUT_OF_ORDER, Seen.STORM): Light.OUT_OF_ORDER,
}


def test_states_show_a_table_and_leave_out_what_changes_nothing() -> None:
    picture = states(LIGHTS)
    assert picture.text.splitlines() == [
        "States",
        "begins red",
        "red → green: time",
        "red → out of order: storm",
        "green → red: time",
        "green → out of order: storm",
        "out of order stays out of order: time, storm",
    ]
    assert seen(picture).count("storm") == 2
    assert {"red", "green", "out of order"} <= set(seen(picture))


def test_a_picture_is_as_wide_as_its_place_allows() -> None:
    assert "max-width:100%" in str(ET.fromstring(states(LIGHTS).svg).get("style"))


@pytest.mark.parametrize("make", [sequence, topology], ids=["sequence", "topology"])
def test_the_engine_that_came_by_pip_draws_where_no_other_is(
    make: Callable[[Recording], Picture], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pygraphviz")
    without_executable(monkeypatch)
    events = [Event("a", "bind", "DEALER", detail="ipc://x"), Event("b", "connect", "DEALER", detail="ipc://x")]
    picture = make(recording(events, FATES["received"][0].events))
    assert any(word in seen(picture) for word in ("[x]", "1 to b"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed here")
@pytest.mark.parametrize("make", [sequence, topology], ids=["sequence", "topology"])
def test_the_installed_engine_draws(
    make: Callable[[Recording], Picture], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    events = [Event("a", "bind", "DEALER", detail="ipc://x"), Event("b", "connect", "DEALER", detail="ipc://x")]
    picture = make(recording(events, FATES["received"][0].events))
    assert any(word in seen(picture) for word in ("[x]", "1 to b"))
    assert capfd.readouterr() == ("", "")


def test_where_no_engine_is_the_text_is_there_and_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_executable(monkeypatch)
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    picture = sequence(FATES["received"][0])
    assert picture.text.endswith("a → b: [x]")
    with pytest.raises(RuntimeError, match=r"pictures need Graphviz: install it .* or `pip install pygraphviz`"):
        _ = picture.svg


# -- no luck --------------------------------------------------------------------------------------------------


def chatter(rng: random.Random) -> dict[str, list[Event]]:
    """What three actors say to one another in a random conversation, each with its own acts in order."""
    names, acts, under_way = ["a", "b", "c"], {"a": [], "b": [], "c": []}, []
    for _ in range(30):
        if under_way and rng.random() < 0.6:
            sender, receiver, frame = under_way.pop(0)
            acts[receiver] += receive(receiver, frame, of=sender, socket=f"to {sender}", theirs=f"to {receiver}")
        else:
            sender, receiver = rng.sample(names, 2)
            frame = rng.choice([b"x", b"y"])
            under_way.append((sender, receiver, frame))
            acts[sender] += send(sender, frame, socket=f"to {receiver}")
    return acts  # type: ignore[return-value]


@pytest.mark.parametrize("seed", range(15), ids="conversation {}".format)
def test_the_picture_does_not_depend_on_the_order_in_which_events_became_known(seed: int) -> None:
    acts = chatter(random.Random(seed))
    pictures = set()
    for luck in range(8):
        rng, queues, known = random.Random(luck), {name: list(events) for name, events in acts.items()}, []
        while any(queues.values()):
            known.append(queues[rng.choice([name for name in queues if queues[name]])].pop(0))
        picture = sequence(recording(known), rows=200)
        pictures.add((picture.dot, picture.text))
    assert len(pictures) == 1


def ask(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REQ) as socket:
        socket.connect(endpoint)
        for question in ("one", "two"):
            socket.send_string(question)
            socket.recv()


def answer(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        for _ in range(2):
            socket.send(socket.recv() + b"!")


def greet(ctx: zmq.Context[Any], endpoint: str, binds: bool) -> None:
    """Both ends shake hands, then speak first and listen afterwards."""
    with ctx.socket(zmq.PAIR) as socket:
        (socket.bind if binds else socket.connect)(endpoint)
        socket.send(b"ready")
        socket.recv()
        socket.send(b"hello")
        socket.recv()


def read(ctx: zmq.Context[Any], endpoint: str) -> None:
    with ctx.socket(zmq.SUB) as socket:
        socket.linger = 0  # once the publisher has gone, nobody is there to take back the subscription
        socket.subscribe(b"")
        socket.connect(endpoint)
        for _ in range(2):
            socket.recv()


def publish(ctx: zmq.Context[Any], endpoint: str, readers: int) -> None:
    with ctx.socket(zmq.XPUB) as socket:
        socket.xpub_verboser = True
        socket.bind(endpoint)
        for _ in range(readers):
            socket.poll()
            zmq.Socket.recv(socket)  # a subscription: which comes first is luck, and is not to be seen
        for news in (b"1", b"2"):
            socket.send(news)


def lively() -> Recording:
    """Conversations side by side, in many threads."""
    run = Recording()
    with Stage(trace.Context(run)) as stage:
        actors = [stage.play(publish, stage.endpoint("news"), 3, name="publisher")]
        actors += [stage.play(read, stage.endpoint("news"), name=f"reader {n}") for n in range(3)]
        actors += [stage.play(greet, stage.endpoint("pair"), binds, name=f"friend {binds}") for binds in (True, False)]
        for n in range(2):
            actors.append(stage.play(answer, stage.endpoint(f"server{n}"), name=f"server {n}"))
            actors.append(stage.play(ask, stage.endpoint(f"server{n}"), name=f"client {n}"))
        for actor in actors:
            actor.result()
    return run


def test_a_scene_recorded_many_times_gives_one_picture() -> None:
    pictures = {(picture.dot, picture.text) for picture in (sequence(lively()) for _ in range(20))}
    assert len(pictures) == 1
    ((_, text),) = pictures
    assert sum("→" in line for line in text.splitlines()) == 2 + 4 + 8
    assert text.count("reader 0 and reader 1 and reader 2") == 2


def test_a_thousand_messages_are_drawn_in_time() -> None:
    there_and_back = []
    for n in range(500):
        question, envelope = b"%d" % (n % 7), (b"\0\1\1\1\1", b"")
        there_and_back += send("client", question, socket="REQ")
        there_and_back += receive("server", *envelope, question, of="client", socket="ROUTER", theirs="REQ")
        there_and_back += send("server", *envelope, b"OK", socket="ROUTER")
        there_and_back += receive("client", b"OK", of="server", socket="REQ", theirs="ROUTER")
        there_and_back += [Event("client", "close", "REQ"), Event("client", "open", "REQ")]
    run = recording(there_and_back)
    start = time.process_time()
    picture = sequence(run)
    assert "more" in picture.text
    assert picture.svg.startswith("<svg")
    assert time.process_time() - start < 2.0
