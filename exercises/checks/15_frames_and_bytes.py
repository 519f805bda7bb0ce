# SPDX-License-Identifier: BSD-3-Clause
"""Stamp the time into messages of any number of frames, and pass everything else on as it was."""

import json
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, NoReturn

import zmq
from zmq.utils.monitor import recv_monitor_message

from exercises.answer import Call
from exercises.scene import NotYet, Raised, Scene, TookTooLong, unexpected

ENTRY = "stamp"


HINTS = (
    "A message comes that has a third frame. Which call of your function receives it, and what is it taken for?",
    "Receive whole messages, whatever number of frames they have; look into the header only, and be ready for one that "
    "is not what it should be.",
    "`recv_multipart` gives a list, and `title, header, *more = frames` takes it apart. Bytes that are not UTF-8 "
    "and text that is not JSON both raise a ValueError.",
)
VARIANT = "let the stamp be a frame of its own at the end, and compare how much the next reader has to know."
LIMIT = "it has sent the messages on, and whether anybody received them it does not know."
WHY = "what would a relay that only passes messages on have to know of their frames?"

FEWER = "fewer messages came than had to be passed on"
CONNECTED = "it connected where it had to bind"
REST = "frames behind the second did not arrive"
END = "an empty frame was taken for the end of the message"
EMPTY = "empty frames were dropped"
SEVERAL = "one message became several"
TITLE = "the title was taken for text"
OTHER = "what was passed on is another message than the one that came"
DATE = "a date went into JSON as it was"
FORM = "the date is not in ISO 8601"
TIME = "another time was stamped than `now`"
UNSTAMPED = "the header came without its stamp"
LOST = "the header lost what it had"
WRITTEN = "a header that had been read could not be written"
SHORT = "a message of one frame ended the function"
UNREADABLE = "a header that cannot be read ended the function"
OBJECT = "any JSON was taken for an object"
ON = "what had to be dropped was passed on"
PLACE = "the rest of a dropped message was taken for a message"
DROPPED = "what had to be passed on was dropped"
COUNTED = "what had to be dropped was counted"
MORE = "more messages were passed on than `count`"
THROWN = "what was still in the queue was thrown away"
LEFT = "a socket was left open"

LABELS = {
    FEWER: "what goes out of your second socket, and what becomes of it when the socket is closed at once?",
    CONNECTED: "who listens at the inbox when both sides connect?",
    REST: "how many frames does your call receive, and where is the rest?",
    END: "how does a socket say that a frame is the last one?",
    EMPTY: "is a frame without bytes no frame?",
    SEVERAL: "how does the receiver learn that a frame is not the last one?",
    TITLE: "who has promised that the title has an encoding?",
    OTHER: "which frame may differ from what came, and in which order do the frames go?",
    DATE: "which kinds of value does JSON know, and what can stand for a date among them?",
    FORM: "which method of a datetime writes that form, the T and the time zone included?",
    TIME: "where does the time come from that you write?",
    UNSTAMPED: "under which key does the time stand, whatever was there before?",
    LOST: "what happens to the keys that you do not know?",
    WRITTEN: "JSON can write each character as an escape; can your encoding write it without?",
    SHORT: "what if there is nothing to unpack into the second name?",
    UNREADABLE: "what is raised, and what do you do with such a message?",
    OBJECT: "`[1]` and `7` are JSON as well; which of them can take a key?",
    ON: "which messages does the contract want to see no more?",
    PLACE: "how much of a message has your function received when it decides to drop it?",
    DROPPED: "what is wrong with that message by the contract?",
    COUNTED: "what does `count` count?",
    MORE: "after which message does your loop look at the count?",
    THROWN: "what does a socket do with its queue when it is closed, and who decides for how long?",
    LEFT: "who closes the socket on the way out?",
}

ALL = 3.0  # seconds for all that a scene sends
LATE = 0.4  # seconds until the outbox is bound, if the function has not returned before
SOON = 0.5  # seconds for what was sent to arrive
LARGEST = 1 << 20  # bytes of a frame that is taken


class Message(NamedTuple):
    """What is sent. If it has a fault, it is to be dropped; the fault is how whoever does not will be named."""

    frames: list[bytes]
    fault: str = ""


class Outbox:
    """A PULL behind the answer. `got` is what came; `gone` is set when the answer has hung up and all is read."""

    def __init__(self, scene: Scene, late: bool) -> None:
        self.got: list[list[bytes]] = []
        self.gone, self.open = threading.Event(), threading.Event()
        self.endpoint = scene.stage.endpoint("outbox")
        scene.stage.play(self.role, name="outbox")
        if not late:
            self.open.set()
            scene.recording.wait("bind", "outbox")

    def role(self, ctx: zmq.Context[Any]) -> None:
        with ctx.socket(zmq.PULL) as pull, pull.get_monitor_socket(zmq.EVENT_DISCONNECTED) as monitor:
            pull.maxmsgsize = LARGEST
            self.open.wait(ALL)
            pull.bind(self.endpoint)
            try:
                while True:
                    zmq.select([pull, monitor], [], [])
                    if pull.poll(0):
                        self.got.append(pull.recv_multipart())
                    elif monitor.poll(0):
                        recv_monitor_message(monitor)
                        self.gone.set()
            finally:
                pull.disable_monitor()


def post(ctx: zmq.Context[Any], inbox: str, messages: Sequence[Message]) -> None:
    """Send the messages, and stay until the scene is over."""
    with ctx.socket(zmq.PUSH) as push:
        push.connect(inbox)
        for message in messages:
            push.send_multipart(message.frames)
        push.poll()  # a PUSH becomes readable never


def _play(scene: Scene, sent: list[Message], late: bool = False) -> None:
    """Send these messages, and one more that is good; all good ones but that are to be passed on, stamped."""
    zone, outbox, inbox = scene.random.randrange(-9, 10), Outbox(scene, late), scene.stage.endpoint("inbox")
    now = datetime(2026, 3, 1, 7, 30, 15, tzinfo=UTC) + timedelta(minutes=scene.random.randrange(500_000))
    now = now.astimezone(datetime.fromisoformat(f"2026-01-01T00:00:00{zone:+03}:00").tzinfo)
    good = [message.frames for message in sent if not message.fault]
    scene.stage.play(post, inbox, [*sent, *map(Message, _numbered(scene, 2))], name="inbox")
    answer = scene.answer(Call((inbox, outbox.endpoint, len(good), now)))
    trouble: TookTooLong | Raised | None = None
    if late:
        answer.begun()
        answer.until(lambda: answer.process.told, LATE)
        outbox.open.set()
    try:
        [outcome] = answer.outcomes(ALL)
    except (TookTooLong, Raised) as error:
        trouble = error
    else:
        outbox.gone.wait(SOON + late * LATE)
    got = list(outbox.got)
    for number, found in enumerate(got[: len(good)]):
        title, header, *more = good[number]
        if [*found[:1], *found[2:]] != [title, *more] or not _stamped(header, b"".join(found[1:2]), now):
            _differs(scene, number, sent, found, now)
    if trouble and not got and (event := scene.joined("connect", inbox)):
        raise NotYet(CONNECTED, "Both sides of the inbox connected, and nobody listened.", event)
    if trouble:
        raise trouble
    if outcome.error:
        _ended(sent, len(got), outcome.error, outcome.message)
        unexpected(outcome)
    if len(got) > len(good):
        raise NotYet(MORE, f"`count` was {len(good)}, and your function passed on {len(got)}.")
    if len(got) < len(good):
        taken = sum(not message.fault for message in sent[: len(good)])
        happened = f"Your function had returned, and {len(got)} of {len(good)} messages were passed on."
        if late:
            raise NotYet(THROWN, f"{happened} Nobody was bound at the outbox when they were sent.")
        raise NotYet(COUNTED if len(got) == taken < len(good) else FEWER, happened)
    if outcome.left_open:
        raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")


def _ended(sent: list[Message], passed: int, error: str, text: str) -> None:
    """An error ended the function after it had passed on so many: name the message that it met."""
    places = [place for place, message in enumerate(sent) if not message.fault]
    place = places[passed - 1] + 1 if passed else 0
    if place >= len(sent):
        return
    frames, fault = sent[place]
    happened = f"{_said(frames)} came, and your function raised {error}: {text:.120}"
    if fault:
        raise NotYet(fault, happened)
    if error == "UnicodeDecodeError" and not _utf8(frames[0]):
        raise NotYet(TITLE, happened)
    if error == "UnicodeEncodeError" and rb"\ud" in frames[1]:
        raise NotYet(WRITTEN, happened)
    if error == "TypeError" and "datetime" in text:
        raise NotYet(DATE, happened)


def _differs(scene: Scene, number: int, sent: list[Message], found: list[bytes], now: datetime) -> NoReturn:
    """Find the words for the difference between a message that was to come and the one that came."""
    good = [message.frames for message in sent if not message.fault]
    title, header, *more = good[number]
    event = scene.first("receive", "outbox", number + 1)
    came = f"{_said(good[number])} was to be passed on, and {_said(found)} came."
    if len(found) == 1:
        raise NotYet(SEVERAL, came, event)
    bad = [message.frames for message in sent if message.fault]
    if found[0] in [frames[0] for frames in bad] and found[0] != title:
        raise NotYet(ON, f"{_said(found)} was passed on.", event)
    if found[0] in [frame for frames in bad for frame in frames[2:]] and found[0] != title:
        raise NotYet(PLACE, f"{_said(found)} was passed on, as if it were a message of its own.", event)
    if _same(found[1], header):
        if found[0] != title:
            raise NotYet(TITLE, came, event)
        seen = json.loads(found[1]).get("seen")
        if seen in (None, json.loads(header).get("seen")):
            raise NotYet(UNSTAMPED, came, event)
        if not _moment(seen):
            raise NotYet(FORM, f"`now` was {now.isoformat()}, and {seen!r} was stamped.", event)
        if _moment(seen) != now:
            raise NotYet(TIME, f"`now` was {now.isoformat()}, and {seen!r} was stamped.", event)
        if found[2:] == [frame for frame in more if frame]:
            raise NotYet(EMPTY, came, event)
        if b"" in more and found[2:] == more[: more.index(b"")]:
            raise NotYet(END, came, event)
        raise NotYet(REST if len(found) < 2 + len(more) else OTHER, came, event)
    if found[0] in [frames[0] for frames in good[number + 1 :]] or found[0] not in [frames[0] for frames in good]:
        raise NotYet(DROPPED if len(found) > 1 and _object(found[1]) else OTHER, came, event)
    if (values := _object(found[1])) is None:
        raise NotYet(OTHER, came, event)
    raise NotYet(UNSTAMPED if "seen" not in values else LOST, came, event)


def _stamped(header: bytes, found: bytes, now: datetime) -> bool:
    return _same(found, header) and _moment(json.loads(found).get("seen")) == now


def _same(found: bytes, header: bytes) -> bool:
    """Whether this is the header, but for its stamp."""
    came = _object(found)
    return came is not None and came | {"seen": 0} == json.loads(header) | {"seen": 0}


def _object(frame: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(frame.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _moment(text: object) -> datetime | None:
    """What this text means in ISO 8601, with its T; None where it is not of that form."""
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) and "T" in text else None
    except ValueError:
        return None


def _utf8(frame: bytes) -> bool:
    return frame.decode(errors="replace").encode() == frame


def _said(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame!r:.60}]" for frame in frames[:6])


def _numbered(scene: Scene, count: int) -> list[list[bytes]]:
    """Good messages of three frames, of which no two are alike."""
    return [[word, b'{"kind": %d}' % scene.random.randrange(10**6), word[::-1]] for word in scene.words(count)]


def frames_of_any_number(scene: Scene) -> None:
    """messages of two frames and of more, with titles and photos that are no text"""
    egg, soup, milk, tea, cafe, one, two, salt = scene.words(8)
    number = b"%d" % scene.random.randrange(10**6)
    _play(
        scene,
        [
            Message([tea, b'{"kind": "drink", "n": %b}' % number]),
            Message([egg, b'{"kind": "food"}', b"\xff\xd8 a photo"]),
            Message([soup, b'{"kind": "soup"}', b"", salt, b""]),
            Message([milk, b"{}", b'{"kind": "drink"}']),
            Message([b"caf\xe9" + cafe, '{"name": "café"}'.encode(), b"\xe9"]),
            Message([b" caf\xc3\xa9\0" + cafe, b'{"name": "caf\\u00e9", "old": null}', b"\0"]),
            Message([b"", b'{"name": ""}', b"\x80\x81"]),
            Message([one, b'{"seen": "2025-12-24T18:00:00+00:00", "deep": [{"n": %b}]}' % number]),
            Message([two, b'{"half a smile": "\\ud83d"}', number]),
        ],
    )


def messages_that_are_none(scene: Scene) -> None:
    """messages that are none"""
    faults = [
        Message([b"{}"], SHORT),
        Message([b""], SHORT),
        Message([b"bad 1", b"kind: drink", b"rest", b'{"n": 1}', b"rest"], UNREADABLE),
        Message([b"bad 2", b'{"kind": "caf\xe9"}', b"rest"], UNREADABLE),
        Message([b"bad 3", b"", b"rest"], UNREADABLE),
        Message([b"bad 4", '{"n": 4}'.encode("utf-16"), b"rest"], UNREADABLE),
        Message([b"bad 5", b"[1]", b"rest", b'{"n": 6}'], OBJECT),
        Message([b"bad 6", b"7"], OBJECT),
        Message([b"bad 7", b'"seen"'], OBJECT),
        Message([b"bad 8", b"null"], OBJECT),
        Message([b"bad 9", b'[["a", 1]]'], OBJECT),
    ]
    good = map(Message, _numbered(scene, len(faults) + 1))
    _play(scene, [next(good), *(message for fault in faults for message in (fault, next(good)))])


def an_outbox_that_opens_late(scene: Scene) -> None:
    """an outbox that opens late"""
    _play(scene, [*map(Message, _numbered(scene, 3))], late=True)


TRY = frames_of_any_number
SCENES = (frames_of_any_number, messages_that_are_none, an_outbox_that_opens_late)
