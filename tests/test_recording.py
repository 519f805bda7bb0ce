# SPDX-License-Identifier: BSD-3-Clause
"""Recordings: what an event keeps, what is saved and loaded, which receive belongs to which send, and what came first.

The events are made by hand, so that each scene has exactly one order. `test_trace` has the ones from real sockets.
"""

import json
import random
import threading
from pathlib import Path

import pytest

from diagrams.recording import LARGE, WIRE, Event, Kind, Large, Message, Recording, keep, links

AGES = 30.0  # seconds: longer than any test may take
SOON = 5.0


def send(actor: str, *frames: bytes, socket: str = "DEALER", errno: str = "") -> list[Event]:
    outcome = Event(actor, "refused", socket, detail=errno) if errno else Event(actor, "sent", socket)
    return [Event(actor, "send", socket, frames), outcome]


def receive(actor: str, *frames: bytes, of: str = "", socket: str = "DEALER", theirs: str = "DEALER") -> list[Event]:
    return [Event(actor, "receive", socket, frames, of, theirs if of else "")]


def wire(
    kind: Kind, *frames: bytes, of: str, to: str = "", theirs: str = "DEALER", socket: str = "DEALER"
) -> list[Event]:
    return [Event(WIRE, kind, "tcp://127.0.0.1:1", frames, of, theirs, to, socket if to else "", "forward 1")]


def joined(binder: str, *connectors: str, socket: str = "DEALER", theirs: str = "DEALER") -> list[Event]:
    bound = [Event(binder, "bind", socket, detail="inproc://here")]
    return bound + [Event(name, "connect", theirs, detail="inproc://here") for name in connectors]


def recording(*acts: list[Event]) -> Recording:
    return Recording(event for act in acts for event in act)


def paired(run: Recording) -> list[tuple[str, tuple[object, ...], list[str]]]:
    """Each message as its sender, its frames, and the actors that received it."""
    return [(m.sender, m.frames, [run.events[r].actor for r in m.receives]) for m in run.messages()]


def only(run: Recording) -> Message:
    (message,) = run.messages()
    return message


# -- events ---------------------------------------------------------------------------------------------------

FRAMES = {
    "no frame": (),
    "an empty frame": (b"",),
    "text": (b"hello", b"", "żółw \u2028 \x85".encode()),
    "every byte there is": (bytes(range(256)),),
    "quotes, backslashes and line ends": (b'"\\\r\n\0',),
    "a large frame": (keep(bytes(LARGE + 1)),),
    "large and small frames": (b"id", b"", keep(b"x" * 100_000)),
}


@pytest.mark.parametrize("frames", FRAMES.values(), ids=FRAMES.keys())
def test_an_event_is_read_back_as_it_was_written(frames: tuple[bytes | Large, ...]) -> None:
    event = Event("a 'client'\n", "receive", "REQ 2", frames, "b", "REP", "c", "REP 3", "forward 7")
    line = event.line()
    assert len(line.splitlines()) == 1
    assert Event.parse(line) == event
    assert Event.parse(line.encode()).at == event.at


BROKEN = {
    "what is not JSON": "hello",
    "half a line": '{"actor": "a", "kind": "se',
    "a list": '["a", "send"]',
    "a number": "7",
    "an event of nobody": '{"kind": "send"}',
    "an event without a kind": '{"actor": "a"}',
    "a field that no event has": '{"actor": "a", "kind": "send", "colour": "red"}',
    "a frame that is a number": '{"actor": "a", "kind": "send", "frames": [7]}',
    "a frame beyond Latin-1": '{"actor": "a", "kind": "send", "frames": ["\\u0142"]}',
    "a large frame without its digest": '{"actor": "a", "kind": "send", "frames": [{"size": 9}]}',
    "nothing": "",
}


@pytest.mark.parametrize("line", BROKEN.values(), ids=BROKEN.keys())
def test_a_file_with_a_broken_line_is_refused_with_the_number_of_that_line(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what it says is in the second half
        Event.parse(line)
    path = tmp_path / "run.jsonl"
    path.write_text(f"{Event('a', 'open').line()}\n{line}\n{Event('a', 'close').line()}\n")
    with pytest.raises(ValueError, match=r"run\.jsonl, line 2: "):
        Recording.load(path)


def test_a_recording_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    run = recording(send("a", b"\xff\n", keep(bytes(5000))), receive("b", b"\xff\n", keep(bytes(5000)), of="a"))
    run.save(tmp_path / "run.jsonl")
    loaded = Recording.load(tmp_path / "run.jsonl")
    assert loaded.events == run.events
    assert [e.at for e in loaded] == [e.at for e in run]
    assert loaded.messages() == run.messages()


def test_an_empty_recording_is_saved_and_loaded_too(tmp_path: Path) -> None:
    Recording().save(tmp_path / "run.jsonl")
    loaded = Recording.load(tmp_path / "run.jsonl")
    assert (len(loaded), loaded.messages(), loaded.order()) == (0, (), {})
    assert repr(loaded) == "<Recording of 0 events by nobody>"


def test_a_saved_file_is_one_json_object_a_line(tmp_path: Path) -> None:
    recording(send("a", b"x\ny")).save(tmp_path / "run.jsonl")
    lines = (tmp_path / "run.jsonl").read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["send", "sent"]


def test_a_frame_is_kept_whole_up_to_a_kilobyte_and_as_a_digest_beyond() -> None:
    assert keep(b"x" * LARGE) == b"x" * LARGE
    large = keep(memoryview(b"x" * (LARGE + 1)))
    assert isinstance(large, Large)
    assert (len(large), large.head) == (LARGE + 1, b"x" * 16)
    assert large == keep(b"x" * (LARGE + 1))
    assert large != keep(b"x" * LARGE + b"y")


def test_a_recording_tells_who_acted_and_how_often() -> None:
    run = recording(send("b", b"1"), send("a", b"2"), wire("passed", b"1", of="b"))
    assert run.actors() == ("a", "b")
    assert (run.count("send"), run.count("send", "a"), run.count("passed", "a")) == (2, 1, 0)
    assert (len(run), [e.kind for e in run][:2]) == (5, ["send", "sent"])
    assert repr(run) == "<Recording of 5 events by a, b>"


# -- waiting --------------------------------------------------------------------------------------------------


def test_waiting_returns_at_once_for_what_is_already_there() -> None:
    run = recording(send("a", b"1", socket="REQ"), send("a", b"2", socket="REQ 2"))
    run.wait("sent", "a", count=2, timeout=0.0)
    run.wait("sent", socket="REQ 2", timeout=0.0)


def test_waiting_returns_with_the_last_event_that_was_waited_for() -> None:
    run, seen = Recording(), threading.Event()

    def waiter() -> None:
        run.wait("receive", "b", count=2, timeout=AGES)
        seen.set()

    thread = threading.Thread(target=waiter)
    thread.start()
    for event in (*receive("b", b"1"), *receive("a", b"1"), *send("b", b"1")):
        run.add(event)
    assert not seen.is_set()
    run.add(*receive("b", b"2"))
    assert seen.wait(SOON)
    thread.join(SOON)


def test_waiting_in_vain_tells_how_many_events_there_were() -> None:
    run = recording(send("a", b"1"), send("b", b"1"))
    with pytest.raises(TimeoutError, match=r"after 0\.01 s there were 1 of 2 'sent' events by a"):
        run.wait("sent", "a", count=2, timeout=0.01)
    with pytest.raises(TimeoutError, match=r"after 0\.01 s there were 2 of 3 'sent' events$"):
        run.wait("sent", count=3, timeout=0.01)


# -- pairing --------------------------------------------------------------------------------------------------


def test_two_clients_that_ask_the_same_are_told_apart_by_what_the_receiver_knows_of_them() -> None:
    run = recording(
        send("a", b"ask", socket="REQ"),
        send("b", b"ask", socket="REQ"),
        receive("server", b"ask", of="b", socket="REP", theirs="REQ"),
        receive("server", b"ask", of="a", socket="REP", theirs="REQ"),
    )
    assert [run.events[m.receives[0]].peer for m in run.messages()] == ["a", "b"]


def test_two_sockets_of_one_actor_that_ask_the_same_are_told_apart() -> None:
    run = recording(
        send("a", b"ask", socket="REQ"),
        send("a", b"ask", socket="REQ 2"),
        receive("server", b"ask", of="a", socket="REP", theirs="REQ 2"),
    )
    assert [m.fate for m in run.messages()] == ["not received", "received"]


@pytest.mark.parametrize("first", ["a", "b"], ids="{}'s reply is received first".format)
@pytest.mark.parametrize(
    "kind", ["ROUTER", "REP"], ids=["a ROUTER answers by routing id", "a REP answers whom it heard"]
)
def test_the_same_reply_to_two_clients_is_paired_by_its_address(kind: str, first: str) -> None:
    envelopes = {"a": (b"\0one", b""), "b": (b"\0two", b"")} if kind == "ROUTER" else {"a": (), "b": ()}
    served = []
    for name, envelope in envelopes.items():
        served += send(name, b"ask", socket="REQ")
        served += receive("server", *envelope, b"ask", of=name, socket=kind, theirs="REQ")
        served += send("server", *envelope, b"OK", socket=kind)
    then = [first, "b" if first == "a" else "a"]
    run = recording(served, *(receive(n, b"OK", of="server", socket="REQ", theirs=kind) for n in then))
    replies = [(m.receiver, paired(run)[n][2]) for n, m in enumerate(run.messages()) if m.sender == "server"]
    assert replies == [("a", ["a"]), ("b", ["b"])]


def test_a_reply_that_nobody_received_still_has_its_addressee() -> None:
    run = recording(
        joined("server", "a", "b", socket="ROUTER"),
        send("a", b"ask"),
        receive("server", b"\0one", b"ask", of="a", socket="ROUTER"),
        send("server", b"\0one", b"OK", socket="ROUTER"),
    )
    assert (run.messages()[1].receiver, run.messages()[1].fate) == ("a", "not received")


def test_a_message_for_an_id_that_nobody_has_is_drawn_to_nobody() -> None:
    run = recording(
        joined("server", "a", socket="ROUTER"),
        send("a", b"ask"),
        receive("server", b"a", b"ask", of="a", socket="ROUTER"),
        send("server", b"b", b"OK", socket="ROUTER"),
    )
    assert (run.messages()[1].receiver, run.messages()[1].fate) == ("", "not received")


def test_equal_messages_of_one_sender_are_taken_in_their_order() -> None:
    run = recording(*(send("a", b"x") for _ in range(3)), *(receive("b", b"x", of="a") for _ in range(2)))
    assert [m.receives for m in run.messages()] == [(6,), (7,), ()]


def test_a_receive_may_stand_before_the_send_of_a_slower_pipe() -> None:
    run = recording(receive("b", b"x", of="a"), send("a", b"x"))
    assert only(run).receives == (0,)
    assert run.order() == {1: 1, 2: 2, 0: 2}


def test_without_metadata_the_sockets_at_the_other_end_are_asked_in_their_order() -> None:
    run = recording(
        joined("server", "a", "b"),
        send("stranger", b"ask"),
        send("a", b"ask"),
        send("b", b"ask"),
        receive("server", b"ask"),
        receive("server", b"ask"),
    )
    assert paired(run) == [
        ("stranger", (b"ask",), []),
        ("a", (b"ask",), ["server"]),
        ("b", (b"ask",), ["server"]),
    ]


def test_what_was_published_before_a_socket_was_there_is_not_what_it_received() -> None:
    run = recording(
        send("pub", b"x", socket="PUB"),
        [Event("s", "open", "SUB")],
        send("pub", b"x", socket="PUB"),
        receive("s", b"x", of="pub", socket="SUB", theirs="PUB"),
    )
    assert [message.fate for message in run.messages()] == ["not received", "received"]


def test_who_opens_its_socket_again_has_received_before_what_was_published_before() -> None:
    run = recording(
        [Event("s", "open", "SUB")],
        send("pub", b"x", socket="PUB"),
        receive("s", b"x", of="pub", socket="SUB", theirs="PUB"),
        [Event("s", "open", "SUB")],
        send("pub", b"x", socket="PUB"),
    )
    assert [message.fate for message in run.messages()] == ["received", "not received"]


def test_a_receive_whose_sender_is_not_recorded_belongs_to_no_message() -> None:
    run = recording(joined("b", "a"), receive("b", b"x", of="stranger"), send("a", b"x"))
    assert only(run).receives == ()


ENDS = {
    "REQ to REP": (("REQ", b"x"), ("REP", b"x")),
    "REQ to ROUTER": (("REQ", b"x"), ("ROUTER", b"id", b"", b"x")),
    "DEALER to REP": (("DEALER", b"", b"x"), ("REP", b"x")),
    "ROUTER to DEALER": (("ROUTER", b"id", b"x", b"y"), ("DEALER", b"x", b"y")),
    "ROUTER to REQ": (("ROUTER", b"id", b"", b"x"), ("REQ", b"x")),
    "ROUTER to ROUTER": (("ROUTER", b"yours", b"x"), ("ROUTER", b"mine", b"x")),
    "an empty frame": (("PUSH", b""), ("PULL", b"")),
    "only an id": (("DEALER", b""), ("ROUTER", b"id", b"")),
}


@pytest.mark.parametrize(("sender", "receiver"), ENDS.values(), ids=ENDS.keys())
def test_envelopes_that_only_one_end_sees_do_not_part_a_message(
    sender: tuple[str, *tuple[bytes, ...]], receiver: tuple[str, *tuple[bytes, ...]]
) -> None:
    kind, *frames = sender
    theirs, *got = receiver
    run = recording(send("a", *frames, socket=kind), receive("b", *got, of="a", socket=theirs, theirs=kind))
    assert paired(run) == [("a", tuple(frames), ["b"])]


def test_frames_that_differ_are_never_paired() -> None:
    run = recording(send("a", b"x", b"1"), receive("b", b"x", b"2", of="a"), receive("b", of="a"))
    assert only(run).receives == ()


def test_a_large_frame_is_paired_by_its_digest() -> None:
    one, two = keep(b"1" * 5000), keep(b"2" * 5000)
    acts = [Event("a", "send", "PUSH", (f,)) for f in (one, two)]
    run = Recording([*acts, Event("b", "receive", "PULL", (two,), "a", "PUSH")])
    assert [m.fate for m in run.messages()] == ["not received", "received"]


def test_one_publication_is_taken_once_by_each_subscriber() -> None:
    run = recording(
        send("pub", b"x", socket="PUB"),
        send("pub", b"x", socket="PUB"),
        *(receive(name, b"x", of="pub", socket="SUB", theirs="PUB") for name in ("s", "t", "t", "s", "t")),
    )
    assert [names for _, _, names in paired(run)] == [["s", "t"], ["t", "s"]]


def test_equal_tasks_dealt_to_two_workers_are_each_received_once() -> None:
    run = recording(
        *(send("source", b"task", socket="PUSH") for _ in range(4)),
        *(receive(n, b"task", of="source", socket="PULL", theirs="PUSH") for n in ("v", "w", "w", "v")),
    )
    assert [names for _, _, names in paired(run)] == [["v"], ["w"], ["w"], ["v"]]


def test_a_refused_send_is_never_received() -> None:
    run = recording(send("a", b"x", errno="EAGAIN"), send("a", b"x"), receive("b", b"x", of="a"))
    first, second = run.messages()
    assert (first.fate, first.detail, first.arrived) == ("refused", "EAGAIN", False)
    assert (second.fate, second.detail, second.arrived) == ("received", "", True)


def test_a_send_without_an_outcome_counts_as_a_message_that_was_not_received() -> None:
    assert only(Recording([Event("a", "send", "PUSH", (b"x",))])).fate == "not received"


FATES = {
    "no word of the wire": ([], 1, "received"),
    "it passed": (["passed"], 1, "received"),
    "it passed and nobody received it": (["passed"], 0, "not received"),
    "it was dropped": (["dropped"], 0, "dropped"),
    "it was delayed and came": (["delayed"], 1, "late"),
    "it was delayed and did not come": (["delayed"], 0, "late"),
    "it was doubled and came twice": (["doubled"], 2, "doubled"),
    "it was doubled and came once": (["doubled"], 1, "doubled"),
}


@pytest.mark.parametrize(("kinds", "times", "fate"), FATES.values(), ids=FATES.keys())
def test_a_messages_fate_is_what_the_wire_and_the_receiver_tell(kinds: list[Kind], times: int, fate: str) -> None:
    run = recording(
        send("a", b"x"),
        *(wire(kind, b"x", of="a", to="b") for kind in kinds),
        *(receive("b", b"x", of="a") for _ in range(times)),
    )
    message = only(run)
    assert (message.fate, len(message.receives)) == (fate, times)
    assert message.receiver == ("b" if times or kinds else "")


def test_of_equal_messages_the_one_that_the_wire_dropped_is_not_received() -> None:
    run = recording(
        *(send("a", b"x") for _ in range(3)),
        wire("passed", b"x", of="a", to="b"),
        wire("dropped", b"x", of="a", to="b"),
        wire("passed", b"x", of="a", to="b"),
        *(receive("b", b"x", of="a") for _ in range(2)),
    )
    assert [m.fate for m in run.messages()] == ["received", "dropped", "received"]


def test_only_a_doubled_message_is_received_twice() -> None:
    run = recording(send("a", b"x"), *(receive("b", b"x", of="a") for _ in range(2)))
    assert len(only(run).receives) == 1
    run = recording(
        send("a", b"x"), wire("doubled", b"x", of="a", to="b"), *(receive("b", b"x", of="a") for _ in range(3))
    )
    assert len(only(run).receives) == 2


def test_the_wire_loses_a_publication_for_one_subscriber_and_brings_it_to_the_other() -> None:
    run = recording(
        send("pub", b"x", socket="PUB"),
        wire("passed", b"x", of="pub", to="s", theirs="PUB", socket="SUB"),
        wire("dropped", b"x", of="pub", to="t", theirs="PUB", socket="SUB"),
        send("pub", b"x", socket="PUB"),
        wire("passed", b"x", of="pub", to="s", theirs="PUB", socket="SUB"),
        wire("passed", b"x", of="pub", to="t", theirs="PUB", socket="SUB"),
        *(receive(name, b"x", of="pub", socket="SUB", theirs="PUB") for name in ("t", "s", "s")),
    )
    assert [(names, m.lost) for (_, _, names), m in zip(paired(run), run.messages(), strict=True)] == [
        (["s"], ("t",)),
        (["t", "s"], ()),
    ]


def test_sockets_are_joined_through_a_wire_as_without_one() -> None:
    run = recording(
        [Event("server", "bind", "REP", detail="tcp://127.0.0.1:2")],
        [Event(WIRE, "bind", "tcp://127.0.0.1:1", detail="tcp://127.0.0.1:2")],
        [Event("client", "connect", "REQ", detail="tcp://127.0.0.1:1")],
        [Event("lonely", "connect", "REQ", detail="tcp://127.0.0.1:3")],
    )
    assert links(run) == {("client", "REQ"): {("server", "REP")}, ("server", "REP"): {("client", "REQ")}}


def test_a_publication_without_a_frame_is_refused_and_can_be_told() -> None:
    run = recording(
        joined("publisher", "subscriber", socket="PUB", theirs="SUB"),
        send("publisher", socket="PUB", errno="EINVAL"),
    )
    assert (only(run).fate, only(run).receives) == ("refused", ())


# -- what came first ------------------------------------------------------------------------------------------


def test_an_act_comes_after_its_actors_last_and_a_receive_after_its_send() -> None:
    run = recording(send("a", b"1"), send("b", b"2"), receive("b", b"1", of="a"), receive("a", b"2", of="b"))
    assert run.order() == {0: 1, 1: 2, 2: 1, 3: 2, 4: 3, 5: 3}


def test_a_chain_of_three_is_as_deep_as_it_is_long() -> None:
    run = recording(receive("c", b"x", of="b"), receive("b", b"x", of="a"), send("b", b"x"), send("a", b"x"))
    assert run.order() == {4: 1, 5: 2, 1: 2, 2: 3, 3: 4, 0: 4}


def test_a_recording_whose_receives_wait_for_one_another_is_refused() -> None:
    run = recording(receive("a", b"2", of="b"), send("a", b"1"), receive("b", b"1", of="a"), send("b", b"2"))
    with pytest.raises(ValueError, match="not causal"):
        run.order()


@pytest.mark.parametrize("seed", range(20), ids="seed {}".format)
def test_in_random_runs_every_receive_has_one_send_and_comes_after_it(seed: int) -> None:
    rng, names = random.Random(seed), ["a", "b", "c"]
    run, under_way = Recording(), []
    for _ in range(60):
        if under_way and rng.random() < 0.5:
            sender, receiver, frame = under_way.pop(rng.randrange(len(under_way)))
            run.add(*receive(receiver, frame, of=sender, socket=f"to {sender}", theirs=f"to {receiver}"))
        else:
            sender, receiver = rng.sample(names, 2)
            frame = rng.choice([b"", b"x", b"y"])
            under_way.append((sender, receiver, frame))
            for event in send(sender, frame, socket=f"to {receiver}"):
                run.add(event)
    taken = [r for m in run.messages() for r in m.receives]
    assert sorted(taken) == [i for i, e in enumerate(run) if e.kind == "receive"]
    for m in run.messages():
        for r in m.receives:
            got = run.events[r]
            assert (got.peer, got.actor, got.frames) == (m.sender, m.receiver, m.frames)
            assert run.order()[m.send] < run.order()[r]
