# SPDX-License-Identifier: BSD-3-Clause
"""Pass requests of any depth to the services, and answer pings yourself."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import zmq
from exercises.scene import GRACE, NotYet, Scene, TookTooLong, unexpected

from exercises.answer import Call, Outcome
from patterns.stage import Actor

ENTRY = "broker"


HINTS = (
    "Write down the frames that your ROUTER receives from a client next door, and those from a client behind another "
    "broker. Where does the envelope end, and which of its frames does the reply need?",
    "Cut each request in two: what stands up to and with the first empty frame, and what stands behind it. Compare the "
    "second part as a whole, and give the first part back as it is.",
    "`index` tells where in a list something stands first, and raises ValueError where it does not stand. Parts of a "
    "list are `frames[:end]` and `frames[end:]`, and two lists can be compared with `==`.",
)
VARIANT = 'answer b"COUNT" as well: with the number of requests whose replies are still to come.'
LIMIT = "while no service is there, a request that is for one holds up your broker, and the pings behind it."
WHY = "which line of yours would have to change for a client behind four brokers?"

LABELS = {
    "the pong went back without its delimiter": "what does a REQ look for at the beginning of a reply?",
    "the ping went to a service": "who looks at the body of a request before it is passed on?",
    "a reply was taken for a ping": "in which direction do pings travel?",
    "the pong went out of the wrong socket": "which of the two sockets knows the way to the client?",
    "a request that only holds PING was taken for a ping": "which frames make up the whole body of a ping?",
    "the envelope was taken to end at the last empty frame": "who else may put an empty frame into a message?",
    "every client was taken for a direct one": "how many ids stand in front when there is another broker between?",
    "only one frame of the body was passed on": "how many frames can a body have?",
    "the empty frames of a body were lost": "which of the empty frames is the delimiter, and what are the others?",
    "a request reached the service without its delimiter": "by what does a REP know where the body begins?",
    "a message was taken apart into its frames": "which call receives a message with all its frames?",
    "a request waited for the reply to another": "what does the second service do in the meantime?",
    "it waited for one reply before it read on": "what else may come while a service is at work?",
    "a reply went to another client": "which part of a reply says whose it is?",
    "no ping was answered while no service was there": "on which socket do pings come, and when do you look at it?",
    "a message without a delimiter ended the broker": "what does your search do when it finds nothing?",
    "a message without a delimiter was passed on": "what does the contract say of a message without an empty frame?",
    "it connected where it had to bind": "who listens at the endpoint when both sides connect?",
    "the end was taken for an error": "which exceptions does your `except` catch, beside the one you mean?",
}

REPLY = 2.0  # seconds for a reply that has to come
LOOK = 0.02  # seconds between two looks
AGAIN = 0.5  # seconds after which the first request is sent once more

PING, PONG = b"PING", b"PONG"


class Service:
    """A service of the checker's: as a REP it answers, in capitals; unlike a REP it notes all the frames.

    A request for b"slow" is answered once `go` is set, and others overtake it, as with several services.
    """

    def __init__(self, scene: Scene, backend: str) -> None:
        self.heard: list[list[bytes]] = []
        self.slow, self.go = threading.Event(), threading.Event()
        self._backend = backend
        scene.stage.play(self.role, name="service")

    def role(self, ctx: zmq.Context) -> None:
        held: list[list[bytes]] = []
        with ctx.socket(zmq.DEALER) as socket:
            socket.connect(self._backend)
            while True:
                while held and self.go.is_set():
                    socket.send_multipart([*held.pop(), b"SLOW"])
                if not zmq.select([socket], [], [], LOOK)[0]:
                    continue
                frames = socket.recv_multipart()
                self.heard.append(frames)
                envelope, body = _cut(frames)
                if body == [b"slow"]:
                    held.append(envelope)
                    self.slow.set()
                elif body:
                    socket.send_multipart([*envelope, *map(bytes.upper, body)])


def _cut(frames: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Envelope, delimiter included, and body; nothing where there is no delimiter."""
    end = frames.index(b"") + 1 if b"" in frames else 0
    return frames[:end], frames[end:] if end else []


def caller(ctx: zmq.Context, endpoint: str, again: bool, *messages: list[bytes]) -> list[bytes]:
    """A client, or what another broker makes of one: send these frames and return the first that come back.

    again  send them once more where nothing comes: nobody knows when the service has been let in
    """
    with ctx.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.connect(endpoint)
        while True:
            for message in messages:
                socket.send_multipart(message)
            if not again or zmq.select([socket], [], [], AGAIN)[0]:
                return socket.recv_multipart()


class Trial:
    """One scene: the answer at work between callers and a service."""

    def __init__(self, scene: Scene, *, service: bool = True) -> None:
        self.scene, self.only = scene, ""  # `only`: what everything that goes wrong can only come from
        self.frontend, self.backend = scene.stage.endpoint("frontend"), scene.stage.endpoint("backend")
        self.answer = scene.answer(Call((self.frontend, self.backend)))
        self.answer.begun()
        self.service: Service | None = Service(scene, self.backend) if service else None
        self.bare = "a request reached the service without its delimiter"  # what one without it is blamed for
        self.quiet: dict[str, list[list[bytes]]] = {}  # what these have heard, who must not hear anything yet

    def play(self, name: str, *messages: list[bytes], again: bool = False) -> Actor:
        return self.scene.stage.play(caller, self.frontend, again, *messages, name=name)

    def hears(self, peer: Actor) -> list[bytes] | None:
        """What a caller hears, or nothing."""
        heard: list[list[bytes]] = []

        def over() -> bool:
            with contextlib.suppress(TimeoutError):
                heard.append(peer.result(0))
            return bool(heard)

        self.until(over)
        return heard[0] if heard else None

    def until(self, over: Callable[[], bool]) -> None:
        """Wait until it is so, for a while. Looks now and then whether there is something to blame already."""
        end = time.monotonic() + self.scene.within(REPLY)
        while not over() and time.monotonic() < end:
            self.look()
            threading.Event().wait(LOOK)
            if self.answer.process.told:
                end = min(end, time.monotonic() + GRACE)
        self.look()

    def first(self) -> None:
        """The first request, a plain one. Once it is answered, the service is known."""
        self.ask("client A", [], [b"tea"], again=True)

    def ask(self, name: str, ids: list[bytes], body: list[bytes], label: str = "", again: bool = False) -> None:
        """Let a caller ask, and judge the reply. `label` is for no reply, where that can have one reason only."""
        sent, wanted = [*ids, b"", *body], [*ids, b"", *([PONG] if body == [PING] else map(bytes.upper, body))]
        got = self.hears(self.play(name, sent, again=again))
        if got == wanted:
            return
        event = self.scene.first("receive", name)
        if got is None:
            self.silent(f"{name} sent {_words(sent)} and heard nothing.", self.only or label)
        happened = f"{name} sent {_words(sent)} and got {_words(got)} where {_words(wanted)} was due."
        raise NotYet(self.only or self.slip(ids, body, got, wanted), happened, event)

    def slip(self, ids: list[bytes], body: list[bytes], got: list[bytes], wanted: list[bytes]) -> str:
        """What it can only be that this came back, or nothing."""
        if body == [PING]:
            return "the pong went back without its delimiter" if got == [*ids, PONG] else ""
        if got[-1:] == [PONG]:
            if self.heard([b"ping"]):
                return "a reply was taken for a ping"
            if body[-2:] == [b"", PING]:
                return "the envelope was taken to end at the last empty frame"
            return "a request that only holds PING was taken for a ping" if PING in body else ""
        if len(got) == len(ids) + 2 < len(wanted) and got[-1] in wanted:
            return "only one frame of the body was passed on"
        if got == [*ids, b"", *filter(None, wanted[len(ids) :])]:
            return "the empty frames of a body were lost"
        return ""

    def heard(self, body: list[bytes]) -> bool:
        """Whether a service has got a request of this body."""
        return any(_cut(frames)[1] == body for frames in (self.service.heard if self.service else ()))

    def look(self) -> None:
        """Blame what a service has heard, who heard what was not for him, or an endpoint that was connected."""
        for event in self.scene.recording.events:
            if (event.actor, event.kind) == (ENTRY, "connect") and event.detail in (self.frontend, self.backend):
                happened = "Your broker and its peers connected to the same endpoint, and nobody listened there."
                raise NotYet("it connected where it had to bind", happened, event)
        for name, heard in self.quiet.items():
            if heard:
                happened = f"{name} got {_words(heard[0])}, which was for another client."
                raise NotYet("a reply went to another client", happened, self.scene.first("receive", name))
        for number, frames in enumerate(self.service.heard if self.service else (), 1):
            envelope, body = _cut(frames)
            if body == [PING]:
                blame = self.only or "the ping went to a service"
            elif frames[-1] == PONG:
                blame = "the pong went out of the wrong socket"
                blame = "a reply was taken for a ping" if self.heard([b"ping"]) else blame
            elif len(frames) == 1 and frames[0][:1] in (b"", b"\0"):  # the delimiter, or an id
                blame = "a message was taken apart into its frames"
            elif not envelope:
                blame = self.bare
            else:
                continue
            raise NotYet(blame, f"The service got {_words(frames)}.", self.scene.first("receive", "service", number))

    def silent(self, happened: str, label: str) -> NoReturn:
        """Nobody was answered: find out why."""
        outcome = self.ended()
        if outcome is None:
            if label:
                raise NotYet(label, happened)
            raise TookTooLong(f"{self.answer.stood()}. {happened.rstrip('.')}")
        if outcome.error:
            unexpected(outcome)
        raise NotYet("", f"{happened} Your broker had returned.")

    def ended(self) -> Outcome | None:
        try:
            return self.answer.outcomes(0.1)[0]
        except TookTooLong:
            return None


def _words(frames: list[bytes]) -> str:
    return "".join(f"[{'id' if len(f) == 5 and not f[0] else f.decode(errors='backslashreplace')}]" for f in frames)


def alone(scene: Scene) -> None:
    """a request and a ping"""
    trial = Trial(scene)
    for name, body in ("client A", [b"tea"]), ("client B", [PING]):
        trial.hears(trial.play(name, [b"", *body]))


def neighbours(scene: Scene) -> None:
    """pings and requests of many forms"""
    trial = Trial(scene)
    trial.first()
    trial.ask("client B", [], [PING])
    trial.ask("client C", [], [b"milk", b"", b"sugar", b""])
    trial.ask("client D", [], [b"say", PING])
    trial.ask("client E", [], [PING, b"me"])
    trial.ask("client F", [], [b"note", b"", PING])
    trial.ask("client G", [], [b"ping"])


def through_brokers(scene: Scene) -> None:
    """clients behind one, two and three other brokers"""
    trial = Trial(scene)
    trial.first()
    trial.only = "every client was taken for a direct one"  # depth is all that is new from here on
    for number, ids in enumerate(([b"ann"], [b"hub", b"bob"], [b"north", b"hub", b"cleo"]), 1):
        for name, body in (f"broker {number}", [b"tea", b"", b"milk"]), (f"broker {number} again", [PING]):
            trial.ask(name, ids, body)


def services_at_work(scene: Scene) -> None:
    """a time without services and a slow one"""
    trial = Trial(scene, service=False)
    trial.ask("client A", [], [PING], "no ping was answered while no service was there")
    heard: dict[str, list[list[bytes]]] = {"client B": [], "client D": []}
    _listen(trial, "client B", [b"", b"slow"], heard)
    trial.quiet["client B"] = heard["client B"]
    trial.until(lambda: scene.first("receive", ENTRY, 2) is not None)  # the request comes before the service
    service = trial.service = Service(scene, trial.backend)
    try:
        trial.until(service.slow.is_set)
        if not service.slow.is_set():
            trial.silent("client B asked, then a service came, and it heard nothing of that.", "")
        trial.ask("client C", [], [PING], "it waited for one reply before it read on")
        _listen(trial, "client D", [b"", b"quick"], heard)
        trial.until(lambda: bool(heard["client D"]))
        alone = "" if trial.heard([b"quick"]) else "a request waited for the reply to another"
        _first(trial, "client D", heard["client D"], b"QUICK", alone)
        heard["client D"].pop(0)
        trial.quiet = {"client D": heard["client D"]}
        service.go.set()
        trial.until(lambda: bool(heard["client B"]))
        _first(trial, "client B", heard["client B"], b"SLOW")
    finally:
        service.go.set()


def _listen(trial: Trial, name: str, message: list[bytes], heard: dict[str, list[list[bytes]]]) -> None:
    """Play a client that asks once and notes all that it hears."""

    def listener(ctx: zmq.Context) -> None:
        with ctx.socket(zmq.DEALER) as socket:
            socket.linger = 0
            socket.connect(trial.frontend)
            socket.send_multipart(message)
            while True:
                heard[name].append(socket.recv_multipart())

    trial.scene.stage.play(listener, name=name)


def _first(trial: Trial, name: str, heard: list[list[bytes]], wanted: bytes, label: str = "") -> None:
    """A client must have heard this, the reply to its own request. `label` is for none."""
    if not heard:
        trial.silent(f"{name} waited for [{wanted.decode()}] and heard nothing.", label)
    if heard[0] != [b"", wanted]:
        happened = f"{name} got {_words(heard[0])} where [][{wanted.decode()}] was due."
        raise NotYet("", happened, trial.scene.first("receive", name))


def strangers_and_the_end(scene: Scene) -> None:
    """messages without a delimiter and the end of its Context"""
    trial = Trial(scene)
    trial.first()
    trial.bare = "a message without a delimiter was passed on"
    sent = "A stranger sent [tea], [PING] and [ann][PING], all without a delimiter, and then [][milk]."
    got = trial.hears(trial.play("stranger", [b"tea"], [PING], [b"ann", PING], [b"", b"milk"]))
    trial.look()
    if got is None:
        outcome = trial.ended()
        if outcome is not None and outcome.error:
            happened = f"{sent} Your broker ended: {outcome.error} {outcome.message}".rstrip()
            raise NotYet("a message without a delimiter ended the broker", happened, scene.first("send", "stranger"))
        trial.silent(f"{sent} Nothing came back.", "")
    if got != [b"", b"MILK"]:
        raise NotYet("", f"{sent} The first reply was {_words(got)}, not [][MILK].", scene.first("receive", "stranger"))
    try:
        outcome = trial.answer.ends()[0]
    except TookTooLong as where:
        raise NotYet(
            "the end was taken for an error",
            f"Its Context was terminated, and 1.5 s later your broker still ran, {where}.",
        ) from None
    if outcome.error and "ContextTerminated" not in outcome.raised:
        unexpected(outcome)


TRY = alone
SCENES = (neighbours, through_brokers, services_at_work, strangers_and_the_end)
