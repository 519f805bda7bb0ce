# SPDX-License-Identifier: BSD-3-Clause
"""Welcome each front end of a kernel, whatever it subscribes to."""

import contextlib
import time
from dataclasses import replace
from typing import NoReturn

import zmq
from jupyter_client.session import Session

from diagrams.recording import Event
from exercises.answer import Call
from exercises.peers import GLANCE, SOON, UNBOUND, Frames, Peer, Table
from exercises.scene import GRACE, Observed, Scene
from patterns.jupyter_messages import DELIMITER, Json, Message, answers, made, pack, unpack

ENTRY = "kernel"

HINTS = (
    "When your kernel publishes its first output, what does it know about who listens, and from where? A PUB is told "
    "nothing. Which socket is, and who in your loop reads it?",
    "An XPUB receives a byte 01 with the topic of a subscription that is new to it, and a byte 00 with one that has "
    "ended. The second front end subscribes to what the first has subscribed to: is that new to it? And what are "
    "bytes that come from a stranger?",
    "`xpub_verbose`, set before anybody comes, lets every subscription through. `zmq.select` waits for both sockets at "
    "once. `made` takes `ids`, and what stands there goes out in front of the delimiter.",
)
VARIANT = "let the welcome be followed by a status that says whether the kernel is busy, for whoever comes late."
LIMIT = "an output that is published while a front end's connection is broken is gone, and nobody is told."
WHY = "Ada hears Bea's welcome as well. Why may she take it for her own?"

NOBODY = "nobody was welcomed"
FIRST = "only the first front end was welcomed"
LATE = "the welcome waited for a request"
TWICE = "one subscription was welcomed more than once"
WAITED = "a request waited for a subscription"
TOPIC = "the welcome went out without its topic"
CONTENT = "the welcome names another subscription"
PARENT = "the welcome has a parent"
CANCELLED = "a cancelled subscription was welcomed"
NO_TEXT = "a subscription that is no text was welcomed"
ENDED = "a subscription ended the kernel"
UNSIGNED = "what was published has no valid signature"
STRANGER = "a request without a valid signature was answered"
NO_REQUEST = "what is no request ended the kernel"
OUTPUT = "outputs are not those that `answers` yields"
REPLY = "the reply did not come to whoever asked"
ELSEWHERE = "a reply was published"

LABELS = {
    NOBODY: "which socket of yours hears of a subscription, and who reads it?",
    FIRST: "what does an XPUB pass on of a subscription that it has already?",
    LATE: "at which of your sockets does the loop wait while nobody asks anything?",
    TWICE: "how many messages are due for one subscription, and with which topic?",
    WAITED: "at which of your sockets does the loop wait while nobody subscribes?",
    TOPIC: "by what does a SUB decide whether a message is for it?",
    CONTENT: "what stands behind the first byte of a subscription, and what in the content that is due?",
    PARENT: "which request has caused the welcome?",
    CANCELLED: "what does the first byte of a subscription say?",
    NO_TEXT: "what does `decode` make of bytes that are no UTF-8, and what does the contract say of them?",
    ENDED: "what may come from a subscriber, and what does your loop do with it?",
    UNSIGNED: "which frames go through `pack`?",
    STRANGER: "what does `unpack` give for a message that was signed with another key?",
    NO_REQUEST: "what does `unpack` give for frames that are no message, and what do you do then?",
    OUTPUT: "in which order do the messages leave, by which socket, and what is their number?",
    REPLY: "which frames does a ROUTER need in front, and where does the request keep them?",
    ELSEWHERE: "for whom is a reply, and for whom an output?",
    UNBOUND: "which calls does a kernel make before the first front end comes?",
}
EQUIVALENT = {
    "line 14, swap: [iopub, shell]": "both are read",
    "line 16, less: 0": "a subscription is one frame",
    "line 17, less: 0": "a subscription is one frame",
}


def readable(event: Event) -> Event:
    """An event with what a message is, instead of dictionaries that are different in each run."""
    frames = event.frames
    if DELIMITER not in frames:
        return event
    where = frames.index(DELIMITER)
    parts = [each for each in frames[where + 2 : where + 4] if isinstance(each, bytes)]
    kinds = [part.partition(b'"msg_type": "')[2].partition(b'"')[0] for part in parts]
    words = [word + kind for word, kind in zip((b"", b"for "), kinds, strict=False) if kind]
    return replace(event, frames=(*frames[: where + 1], *words))


class FrontEnd(Peer):
    """A front end: a DEALER at shell, and a SUB at iopub that subscribes to one topic."""

    def __init__(self, table: "Desk", name: str, topic: bytes = b"") -> None:
        super().__init__(table, name, table.ends["shell"])
        self.desk, self.topic = table, topic
        self.sub = self.socket.context.socket(zmq.SUB)
        table.closing.callback(self.sub.close, 0)
        self.sub.subscribe(topic)
        self.sub.connect(table.ends["iopub"])

    def news(self, socket: zmq.Socket, seconds: float = SOON) -> Frames:
        """The next message of one of its sockets; nothing if none comes, or the answer has ended."""
        until, ended = time.monotonic() + self.desk.scene.within(seconds), False
        while not zmq.select([socket], [], [], 0.02)[0]:
            if self.desk.answer.process.told and not ended:
                ended, until = True, min(until, time.monotonic() + GRACE)
            if time.monotonic() >= until:
                return []
        return socket.recv_multipart()

    def asks(self, kind: str, **content: str) -> Message:
        request = made(kind, content, self.title)
        self.raw(*pack(request, self.desk.key))
        return request

    def read(self, frames: Frames) -> Message:
        """What was published, which must be a message of the kernel's."""
        if not (message := unpack(frames, self.desk.key)):
            self.desk.blame(UNSIGNED, f"{self.title}'s SUB got {_shown(frames)}.", self)
        return message

    def welcomed(self, seconds: float = SOON) -> bool:
        """Whether a welcome comes. It must be one that the contract knows."""
        if not (frames := self.news(self.sub, seconds)):
            return False
        message = self.read(frames)
        happened = f"{self.title} subscribed to {self.topic!r} and got {message.kind}"
        if message.kind != "iopub_welcome":
            self.desk.blame("", f"{happened}, and had asked nothing.", self)
        if message.parent:
            self.desk.blame(PARENT, f"{happened}, whose parent is {message.parent}.", self)
        if b"".join(message.ids) != self.topic:
            self.desk.blame(TOPIC, f"{happened} with {message.ids} in front.", self)
        if message.content != {"subscription": self.topic.decode()}:
            self.desk.blame(CONTENT, f"{happened} with the content {message.content}.", self)
        return True

    def executes(self, text: bytes, *others: "FrontEnd") -> None:
        """Ask for a text to be executed: outputs for all, a reply for this one."""
        self.desk.number += 1
        self.desk.due(self, self.asks("execute_request", code=text.decode()), others)


class Desk(Table):
    """A kernel under trial. `number` counts what it was to execute; `suspect` is why it may have ended."""

    kind = FrontEnd
    suspect = ""

    def __init__(self, scene: Scene) -> None:
        scene.recording.add = lambda event: Observed.add(scene.recording, readable(event))  # type: ignore[method-assign]
        ends = {channel: scene.stage.endpoint(f"kernel-{port}") for port, channel in enumerate(("shell", "iopub"), 1)}
        connection: Json = {"key": f"{scene.random.getrandbits(128):032x}", "signature_scheme": "hmac-sha256"}
        for channel, endpoint in ends.items():
            transport, _, place = endpoint.partition("://")
            ip, _, port = place.rpartition("-" if transport == "ipc" else ":")
            connection |= {"transport": transport, "ip": ip, f"{channel}_port": int(port)}
        self.scene, self.ends, self.key, self.number = scene, ends, connection["key"].encode(), 0
        self.answer = scene.answer(Call((connection,)))
        self.closing = contextlib.ExitStack()

    def comes(self, name: str, topic: bytes = b"") -> FrontEnd:
        """A front end that must be welcomed at once."""
        front_end = FrontEnd(self, name, topic)
        if not front_end.welcomed():
            self.unwelcome(front_end)
        return front_end

    def unwelcome(self, front_end: FrontEnd) -> NoReturn:
        """Somebody has subscribed and hears nothing: find out why."""
        happened = f"{front_end.title} subscribed to {front_end.topic!r} and heard nothing"
        self.gone(happened)
        front_end.asks("kernel_info_request")
        while frames := front_end.news(front_end.sub, GLANCE):
            if front_end.read(frames).kind == "iopub_welcome":
                self.blame(LATE, f"{happened}, until it asked something.", front_end)
        self.blame(NOBODY, f"{happened} of the kernel for {SOON:g} s.", front_end)

    def gone(self, happened: str) -> None:
        """If the answer has ended, what it was given last is to blame, where that was odd."""
        if self.suspect and (outcome := self.answer.ended()) and outcome.error:
            self.blame(self.suspect, f"{happened}. Your function raised {outcome.error}: {outcome.message:.150}")
        self.alive()

    def due(self, asking: FrontEnd, request: Message, others: tuple[FrontEnd, ...] = ()) -> None:
        """What `answers` yields must come: the outputs to all in order, the reply to whoever asks."""
        expected = list(answers(request, "", str.upper, self.number))
        for front_end in (asking, *others):
            came, wanted = [], [message for channel, message in expected if channel == "iopub"]
            while len(came) < len(wanted) and (frames := front_end.news(front_end.sub)):
                message = front_end.read(frames)
                if message.kind.endswith("_reply"):
                    self.blame(ELSEWHERE, f"{front_end.title}'s SUB got {message.kind}.", front_end)
                if message.kind != "iopub_welcome":
                    came.append(message)
            if not came:
                self.silence(asking, front_end, request)
            if [_facts(each) for each in came] != [_facts(each) for each in wanted]:
                got = ", ".join(f"{each.kind} {each.content}" for each in came)
                self.blame(
                    OUTPUT, f"{asking.title} asked {request.kind}, and {front_end.title} got {got:.500}.", front_end
                )
        [wanted_reply] = [message for channel, message in expected if channel == "reply"]
        reply = unpack(asking.news(asking.socket), self.key)
        if not reply or _facts(reply) != _facts(wanted_reply):
            got = f"got {reply.kind} {reply.content}" if reply else "heard nothing that is signed"
            self.gone(f"{asking.title} asked {request.kind} and {got}")
            self.blame(REPLY, f"{asking.title} asked {request.kind}, and at its shell {got:.300}.", asking)

    def silence(self, asking: FrontEnd, front_end: FrontEnd, request: Message) -> NoReturn:
        """Nothing was published: find out why."""
        happened = f"{asking.title} asked {request.kind}, and {front_end.title} heard nothing"
        self.answer.until(lambda: self.answer.process.told, GRACE)
        self.gone(happened)
        last = FrontEnd(self, "Zoe")
        if asking.news(asking.socket, 2 * GLANCE) and front_end is asking:
            self.blame(WAITED, f"{happened} until somebody subscribed to something.", last)
        self.blame(OUTPUT, f"{happened}.", front_end)


def _facts(message: Message) -> tuple[str, Json, Json]:
    """What of a message is the same whoever makes it; a topic may be any, or none."""
    return message.kind, message.content, message.parent


def _shown(frames: Frames) -> str:
    return "".join(f"[{frame!r:.40}]" for frame in frames[:4])


def alone(scene: Scene) -> None:
    """one front end"""
    with Desk(scene) as desk:
        ada = FrontEnd(desk, "Ada")
        welcome = bool(ada.news(ada.sub))
        if not welcome:
            scene.recording.note("Ada", "nobody welcomes her")
        ada.asks("execute_request", code="tea")
        ada.news(ada.socket)
        with contextlib.suppress(TimeoutError):  # so that the picture is the same each time
            scene.recording.wait("send", ENTRY, count=5 + welcome, timeout=1.0)
        for _ in range(4 * welcome):
            ada.news(ada.sub)


def one_that_asks_when_it_is_welcome(scene: Scene) -> None:
    """a front end that asks when it is welcome"""
    with Desk(scene) as desk:
        ada = desk.comes("Ada")
        if frames := ada.news(ada.sub, GLANCE):
            label = TWICE if ada.read(frames).kind == "iopub_welcome" else ""
            desk.blame(label, f"Ada had been welcomed, and without having asked anything got {_shown(frames)}.", ada)
        desk.due(ada, ada.asks("kernel_info_request"))
        for text in scene.words(2):
            ada.executes(text)


def a_second_one(scene: Scene) -> None:
    """a second one and a third"""
    one, two, three = scene.words(3)
    with Desk(scene) as desk:
        ada = desk.comes("Ada")
        ada.executes(one)
        names = ["Bea", "Cy"]
        guests = []
        for name in names:
            guest = FrontEnd(desk, name)
            if not guest.welcomed():
                desk.gone(f"{name} subscribed to everything")
                happened = (
                    f"Ada had been welcomed. {name} subscribed to everything, too, and heard nothing for {SOON:g} s."
                )
                desk.blame(FIRST, happened, guest)
            guests.append(guest)
        bea, cy = guests
        for asking, text in (cy, two), (cy, three), (ada, one), (bea, two):  # in no order in which they came
            asking.executes(text, *{ada, bea, cy} - {asking})


def topics(scene: Scene) -> None:
    """topics good and bad"""
    one, two, three = scene.words(3)
    with Desk(scene) as desk:
        ada = desk.comes("Ada")
        for name, topic in ("Bea", one), ("Cy", f"{two.decode()}é".encode()):
            guest = FrontEnd(desk, name, topic)
            if not guest.welcomed():
                seen = ada.news(ada.sub, GLANCE)
                kinds = unpack(seen, desk.key).kind if seen and unpack(seen, desk.key) else ""
                if kinds == "iopub_welcome":
                    desk.blame(
                        TOPIC,
                        f"{name} subscribed to {topic!r} and heard nothing. Ada heard a welcome: {_shown(seen)}.",
                        ada,
                    )
                desk.unwelcome(guest)
            ada.news(ada.sub)  # she has subscribed to everything, and so to this
        bea, desk.suspect = guest, ENDED
        bea.sub.unsubscribe(bea.topic)
        _no_welcome(desk, ada, CANCELLED, f"{bea.title} cancelled {bea.topic!r}")
        no_text = b"\xff" + three
        bea.sub.subscribe(no_text)
        _no_welcome(desk, ada, NO_TEXT, f"{bea.title} subscribed to {no_text!r}")
        ada.executes(one)


def _no_welcome(desk: Desk, ada: FrontEnd, label: str, happened: str) -> None:
    if frames := ada.news(ada.sub, GLANCE):
        desk.blame(label, f"{happened}, and Ada, who has subscribed to everything, got {_shown(frames)}.", ada)
    desk.gone(happened)


def strangers(scene: Scene) -> None:
    """strangers without the key and Jupyter's own Session"""
    one, two, three = scene.words(3)
    with Desk(scene) as desk:
        ada = desk.comes("Ada")
        desk.suspect = NO_REQUEST
        good = pack(made("execute_request", {"code": two.decode()}, "Ada"), desk.key)
        spoilt = [*good[:5], b'{"code": "%s"}' % three]
        mallory = pack(made("execute_request", {"code": three.decode()}, "Mallory"), b"a guess")
        for frames in (mallory, spoilt, good[1:], good[:5], [b""], [b"\xff"], good[:1], [good[0], b"\xff", *good[2:]]):
            ada.raw(*frames)
        if frames := ada.news(ada.sub, GLANCE):
            desk.blame(STRANGER, f"Nobody had signed with the key, and Ada's SUB got {_shown(frames)}.", ada)
        if frames := ada.news(ada.socket, 0.001):
            desk.blame(STRANGER, f"Nobody had signed with the key, and {_shown(frames)} came at shell.", ada)
        desk.gone("Ada sent what is no request")
        ada.executes(one)
        desk.suspect = ""
        theirs = Session(key=desk.key, session="Jupyter")
        sent = theirs.send(ada.socket, "execute_request", {"code": one.decode(), "silent": False})
        desk.number += 1
        request = unpack(theirs.serialize(sent), desk.key)
        assert request
        desk.due(ada, request)


TRY = alone
SCENES = (one_that_asks_when_it_is_welcome, a_second_one, topics, strangers)
