# SPDX-License-Identifier: BSD-3-Clause
"""Stamp the time into messages of any number of frames, and pass everything else on as it was."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import zmq
from exercises.scene import NotYet, Raised, Scene, TookTooLong, heard, unexpected

from exercises.answer import Call

ENTRY = "stamp"


HINTS = (
    "A message comes that has a third frame. Which call of your function receives it, and for what is it taken?",
    "Receive whole messages, whatever number of frames they have; look into the header only, and be ready for one that "
    "is not what it should be.",
    "`recv_multipart` gives a list, and `title, header, *more = frames` takes it apart. Bytes that are no UTF-8 and "
    "text that is no JSON both raise a ValueError.",
)
VARIANT = "let the stamp be a frame of its own at the end, and compare how much the next reader has to know."
LIMIT = "it has sent the messages on, and whether anybody received them it does not know."
WHY = "what would a relay that only passes messages on have to know of their frames?"

LABELS = {
    "frames behind the second did not arrive": "how many frames does your call receive, and where is the rest?",
    "one message became several": "how does the receiver learn that a frame is not the last one?",
    "empty frames were dropped": "is a frame without bytes no frame?",
    "the title was taken for text": "who has promised that the title has an encoding?",
    "a date went into JSON as it was": "which kinds of value does JSON know, and what can stand for a date among them?",
    "the date is not in ISO 8601": "which method of a datetime writes that form, the T included?",
    "a message of one frame ended the function": "what if there is nothing to unpack into the second name?",
    "a header that is no JSON ended the function": "what is raised, and what do you do with such a message?",
    "any JSON was taken for an object": "`[1]` and `7` are JSON as well; which of them can take a key?",
    "what had to be dropped was passed on": "which messages does the contract want to see no more?",
    "what had to be dropped was counted": "what does `count` count?",
    "the header lost what it had": "what happens to the keys that you do not know?",
    "a socket was left open": "who closes the socket on the way out?",
}

NOW = datetime(2026, 3, 1, 7, 30, 15, tzinfo=UTC)
ALL = 3.0  # seconds for all that a scene sends


def post(ctx: zmq.Context[Any], inbox: str, messages: Sequence[list[bytes]]) -> None:
    """Send the messages, and stay until the scene is over."""
    with ctx.socket(zmq.PUSH) as push:
        push.connect(inbox)
        for frames in messages:
            push.send_multipart(frames)
        push.poll()  # a PUSH becomes readable never


def collect(ctx: zmq.Context[Any], outbox: str, count: int, over: threading.Event) -> list[list[bytes]]:
    """What arrives, up to so many messages."""
    with ctx.socket(zmq.PULL) as pull:
        pull.bind(outbox)
        got: list[list[bytes]] = []
        while len(got) < count and heard(pull, over):
            got.append(pull.recv_multipart())
        return got


def _stamped(frames: list[bytes]) -> tuple[bytes, dict[str, Any], list[bytes]]:
    return frames[0], json.loads(frames[1]) | {"seen": NOW.isoformat()}, frames[2:]


def _play(scene: Scene, good: list[list[bytes]], *sent: list[bytes], raises: dict[str, str]) -> None:
    """Send these messages, of which the good ones are to be passed on. `raises`: an error, and what it means here."""
    inbox, outbox = scene.stage.endpoint("inbox"), scene.stage.endpoint("outbox")
    over = threading.Event()
    collecting = scene.stage.play(collect, outbox, len(good), over, name="outbox")
    scene.recording.wait("bind", "outbox")
    scene.stage.play(post, inbox, [*sent, [b"last", b"{}"], [b"last", b"{}"]], name="inbox")
    answer = scene.answer(Call((inbox, outbox, len(good), NOW)))
    trouble: BaseException | None = None
    outcome = None
    try:
        [outcome] = answer.outcomes(ALL)
    except (TookTooLong, Raised) as error:
        trouble = error
    finally:
        over.set()
    got = collecting.result(ALL + 2)
    for number, (wanted, found) in enumerate(zip(good, got, strict=False)):
        _compare(scene, number + 1, _stamped(wanted), found)
    if outcome and outcome.error:
        for name, label in raises.items():
            if name in outcome.raised and "buffer interface" not in outcome.message:
                raise NotYet(label, f"It raised {outcome.error}: {outcome.message}")
        unexpected(outcome)
    if len(got) < len(good):
        happened = f"{len(got)} of {len(good)} messages were passed on"
        if trouble:
            raise trouble
        raise NotYet("what had to be dropped was counted" if raises else "", f"{happened}, and your function returned.")
    if outcome and outcome.left_open:
        raise NotYet(
            "a socket was left open", "Your function had returned, and a socket of its Context was still open."
        )
    if trouble:
        raise trouble


def _compare(scene: Scene, number: int, wanted: tuple[bytes, dict[str, Any], list[bytes]], found: list[bytes]) -> None:
    """Find the words for the difference between a message that was to come and the one that came."""
    title, header, more = wanted
    event = scene.first("receive", "outbox", number)
    came = f"Message {number} was to have {2 + len(more)} frames, [{_plain(title)}] first, and came as {found!r:.200}."
    if len(found) == 1:
        raise NotYet("one message became several", came, event)
    seen = _header(found[1])
    if found[0] != title and found[0][:3] == title[:3] and seen is not None and seen.get("seen"):
        raise NotYet("the title was taken for text", came, event)
    if seen is None or "seen" not in seen or (found[0] != title and title != b"last"):
        raise NotYet("what had to be dropped was passed on" if title == b"good" else "", came, event)
    if (moment := _moment(seen["seen"])) != NOW:
        happened = f"`now` was {header['seen']}, and came as {seen['seen']!r}."
        raise NotYet("" if moment else "the date is not in ISO 8601", happened, event)
    if not header.items() - {("seen", header["seen"])} <= seen.items():
        raise NotYet("the header lost what it had", f"The header was to be {header}, and came as {seen}.", event)
    if found[2:] != more:
        kept = [frame for frame in more if frame]
        empty = found[2:] == kept and len(kept) < len(more)
        label = "empty frames were dropped" if empty else "frames behind the second did not arrive"
        raise NotYet(label if len(found) < 2 + len(more) else "", came, event)


def _header(frame: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(frame)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _moment(text: object) -> datetime | None:
    """What this text means in ISO 8601, with its T; None where it is not of that form."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and "T" in text else None
    except ValueError:
        return None


def _plain(frame: bytes) -> str:
    return frame.decode(errors="backslashreplace")


def frames_of_any_number(scene: Scene) -> None:
    """messages of two frames and of more"""
    good = [
        [b"tea", b'{"kind": "drink"}'],
        [b"egg", b'{"kind": "food"}', b"\xff\xd8 a photo"],
        [b"soup", b'{"kind": "food"}', b"", b"salt", b""],
        [b"milk", b"{}", b'{"kind": "drink"}'],
    ]
    _play(scene, good, *good, raises={"TypeError": "a date went into JSON as it was"})


def titles_that_are_no_text(scene: Scene) -> None:
    """titles and photos that are no text"""
    good = [
        [b"caf\xe9", '{"name": "café"}'.encode(), b"\xe9"],
        [b"caf\xc3\xa9\0", b'{"name": "caf\\u00e9"}', b"\0"],
        [b"", b'{"name": ""}', b"\x80\x81"],
    ]
    _play(scene, good, *good, raises={"UnicodeDecodeError": "the title was taken for text"})


def messages_to_be_dropped(scene: Scene) -> None:
    """messages that are none"""
    good = [[b"good", b'{"n": %d}' % n, b"more"] for n in range(3)]
    no_json = [[b"bad", b"kind: drink"], [b"bad", b'{"kind": "caf\xe9"}', b"x"], [b"bad", b"", b"x"]]
    mixed = [good[0], *no_json, good[1], good[2]]
    _play(scene, good, *mixed, raises={"ValueError": "a header that is no JSON ended the function"})


def messages_too_short(scene: Scene) -> None:
    """messages of one frame"""
    good = [[b"good", b'{"n": %d}' % n, b"more"] for n in range(3)]
    label = "a message of one frame ended the function"
    _play(scene, good, good[0], [b"{}"], [b""], good[1], good[2], raises={"ValueError": label, "IndexError": label})


def json_that_is_no_object(scene: Scene) -> None:
    """headers that are JSON and no object"""
    good = [[b"good", b'{"n": %d}' % n, b"more"] for n in range(3)]
    bad = [[b"bad", text, b"x"] for text in (b"[1]", b"7", b'"seen"', b"null")]
    label = "any JSON was taken for an object"
    _play(
        scene, good, good[0], *bad, good[1], good[2],
        raises={"TypeError": label, "AttributeError": label, "IndexError": label, "ValueError": label},
    )  # fmt: skip


TRY = frames_of_any_number
SCENES = (
    frames_of_any_number,
    titles_that_are_no_text,
    messages_to_be_dropped,
    messages_too_short,
    json_that_is_no_object,
)
