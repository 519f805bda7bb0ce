# SPDX-License-Identifier: BSD-3-Clause
"""Pass requests of any depth to the services, and answer pings yourself."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import NoReturn

import zmq

from exercises.answer import Call, Outcome
from exercises.judge import GRACE, NotYet, Scene, TookTooLong, unexpected
from exercises.task import Question
from patterns.stage import Actor

ENTRY = "broker"

GIVEN = '''\
import zmq

def broker(ctx, frontend, backend):
    """Pass requests to the services and replies back, for ever, and answer pings yourself.

    frontend  bind a ROUTER here: clients connect, each with a REQ, some of them through other brokers
    backend   bind a DEALER here: services connect, each with a REP

    A request is an envelope and a body. The envelope ends with the first empty frame; behind it the body has one
    frame or several, and some of those may be empty, too. Requests and replies are passed on as they are, with
    all their frames, and none waits for the reply to another. Only a request whose body is the one frame b"PING"
    is for you: no service gets it, and the body of its reply is the one frame b"PONG". A ping is answered at once,
    also while the services are busy, and while there are none. A request that comes while there are none waits for
    the first; no ping will follow it before that. A message from a client that has no empty frame is no request:
    drop it. The broker ends when its Context does: what waits then raises zmq.ContextTerminated, which you let
    through.
    """
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(services, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if services in ready:
                clients.send_multipart(services.recv_multipart())
            if clients in ready:
                frames = clients.recv_multipart()
                if frames[-1] == b"PING":
                    clients.send_multipart([frames[0], b"PONG"])
                else:
                    services.send_multipart(frames)
'''

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

QUESTIONS = {
    "31.1": Question(
        "One REQ is connected to the services A and B. Tea was answered by A, milk by B. Now B dies. The client goes "
        "on: egg, then salt. What comes of these two?",
        {
            "a": (
                "Both are answered by A: a REQ passes over who is gone.",
                "a connection is taken for a peer that lives",
            ),
            "b": ("Egg is answered, and for salt the client waits for ever.", ""),
            "c": ("Egg is answered, and the send of salt raises an error.", "a lost peer is taken for an error"),
        },
        "A connected socket deals in turn to its connections, and a connection is there whether or not anybody is at "
        "its other end. Salt waits in the queue towards B.",
    ),
    "31.2": Question(
        "A DEALER is connected to a REP and sends the message `[tea]`. What does the program with the REP get?",
        {
            "a": ("`tea`, as from a REQ.", "the delimiter is taken for a thing of the wire"),
            "b": ("Nothing, and nobody gets an error.", ""),
            "c": ("An error: the message has the wrong form.", "a malformed message is taken for an error"),
        },
        "A REP looks for the empty frame in which the envelope ends. A message without one is thrown away without a "
        "word. A REQ puts that frame in front by itself, a DEALER puts nothing.",
    ),
    "31.3": Question(
        "Between a REQ and a REP there are two relays in a row, each a ROUTER and a DEALER. Which frames does the last "
        "DEALER send to the REP?",
        {
            "a": (
                "One id, the delimiter, the body: each relay replaces the id.",
                "an envelope is taken for one address",
            ),
            "b": (
                "Two ids, each with a delimiter behind it, then the body.",
                "the delimiter is taken for something that each hop adds",
            ),
            "c": ("Two ids, one delimiter, the body.", ""),
        },
        "Each ROUTER puts one id in front of what it receives and touches nothing else. The one delimiter comes from "
        "the REQ.",
    ),
    "31.4": Question(
        "A relay passes requests on as they are, and takes the empty frames out of the replies. The client is a REQ. "
        "What does it get?",
        {
            "a": (
                "The reply: where there is no delimiter, a REQ has nothing to take off.",
                "the delimiter is optional",
            ),
            "b": ("Nothing. It waits for ever.", ""),
            "c": ("The reply with the routing id in front.", "the delimiter is taken for what makes a ROUTER address"),
        },
        "The ROUTER finds the connection by the id and sends the rest. A REQ that gets a reply without a delimiter in "
        "front does not take it for a reply.",
    ),
}

_SOLUTION = """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(services, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if services in ready:
                clients.send_multipart(services.recv_multipart())
            if clients in ready:
                frames = clients.recv_multipart()
                if b"" not in frames:
                    continue
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
"""


def _changed(*pairs: tuple[str, str]) -> str:
    source = _SOLUTION
    for old, new in pairs:
        if old not in source:
            raise ValueError(f"the bank of {__name__} changes a line that is not there: {old!r}")
        source = source.replace(old, new)
    return source


RECIPE = """\
from patterns.shared_queue import broker
"""

PASS = "services.send_multipart(frames)"
END = 'end = frames.index(b"") + 1'
SEARCH = '                if b"" not in frames:\n                    continue\n'
IS_PING = 'frames[end:] == [b"PING"]'
PONGS = 'clients.send_multipart([*frames[:end], b"PONG"])'

WRONG = {
    "the ping went to a service": RECIPE,
    "the ping went to a service (2)": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        zmq.proxy(clients, services)
""",
    "the ping went to a service (3)": _changed((IS_PING, 'frames[0] == b"PING"')),
    "the pong went back without its delimiter": GIVEN + "    # as it was\n",
    "the pong went back without its delimiter (2)": _changed(
        (PONGS, 'clients.send_multipart([*frames[:end - 1], b"PONG"])')
    ),
    "the pong went out of the wrong socket": _changed((PONGS, PONGS.replace("clients", "services"))),
    "a request that only holds PING was taken for a ping": _changed((IS_PING, 'frames[-1] == b"PING"')),
    "a request that only holds PING was taken for a ping (2)": _changed((IS_PING, 'b"PING" in frames')),
    "a request that only holds PING was taken for a ping (3)": _changed((IS_PING, 'frames[end] == b"PING"')),
    "the envelope was taken to end at the last empty frame": _changed(
        (END, 'end = len(frames) - frames[::-1].index(b"")')
    ),
    "every client was taken for a direct one": _changed((IS_PING, 'frames[2:] == [b"PING"]')),
    "every client was taken for a direct one (2)": _changed(
        (PONGS, 'clients.send_multipart([frames[0], b"", b"PONG"])')
    ),
    "every client was taken for a direct one (3)": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        for socket in clients, services:
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                if socket is services:
                    clients.send_multipart(services.recv_multipart())
                    continue
                match clients.recv_multipart():
                    case [client, b"", b"PING"]:
                        clients.send_multipart([client, b"", b"PONG"])
                    case [client, b"", *body]:
                        services.send_multipart([client, b"", *body])
""",
    "a reply was taken for a ping": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        other = {clients: services, services: clients}
        poller = zmq.Poller()
        for socket in other:
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                frames = socket.recv_multipart()
                if b"" in frames:
                    end = frames.index(b"") + 1
                    if frames[end:] == [b"PING"]:
                        socket.send_multipart([*frames[:end], b"PONG"])
                    else:
                        other[socket].send_multipart(frames)
""",
    "only one frame of the body was passed on": _changed((PASS, "services.send_multipart(frames[:end + 1])")),
    "the empty frames of a body were lost": _changed(
        (PASS, "services.send_multipart(frames[:end] + [f for f in frames[end:] if f])")
    ),
    "a request reached the service without its delimiter": _changed(
        (PASS, "services.send_multipart(frames[:end - 1] + frames[end:])")
    ),
    "a message was taken apart into its frames": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        poller.register(services, zmq.POLLIN)
        while True:
            ready = dict(poller.poll())
            if clients in ready:
                frame = clients.recv()
                if frame == b"PING":
                    clients.send(b"PONG")
                else:
                    services.send(frame)
            if services in ready:
                clients.send(services.recv())
""",
    "it waited for one reply before it read on": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while True:
            frames = clients.recv_multipart()
            if b"" in frames:
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
                    clients.send_multipart(services.recv_multipart())
""",
    "a request waited for the reply to another": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        waiting, busy = [], False
        while True:
            for socket in zmq.select([clients, services], [], [])[0]:
                frames = socket.recv_multipart()
                if socket is services:
                    clients.send_multipart(frames)
                    busy = False
                elif frames[frames.index(b"") + 1:] == [b"PING"] if b"" in frames else False:
                    clients.send_multipart([*frames[:-1], b"PONG"])
                elif b"" in frames:
                    waiting.append(frames)
            if waiting and not busy:
                services.send_multipart(waiting.pop(0))
                busy = True
""",
    "a reply went to another client (2)": _changed(("zmq.ROUTER", "zmq.DEALER")),
    "a reply went to another client": _changed(
        (PASS, "asked = frames[:end]\n                    services.send_multipart(frames)"),
        (
            "clients.send_multipart(services.recv_multipart())",
            "frames = services.recv_multipart()\n"
            '                clients.send_multipart(asked + frames[frames.index(b"") + 1:])',
        ),
    ),
    "no ping was answered while no service was there": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while True:
            if services.poll(10, zmq.POLLOUT) and clients.poll(10):
                frames = clients.recv_multipart()
                if b"" in frames:
                    end = frames.index(b"") + 1
                    if frames[end:] == [b"PING"]:
                        clients.send_multipart([*frames[:end], b"PONG"])
                    else:
                        services.send_multipart(frames)
            if services.poll(0):
                clients.send_multipart(services.recv_multipart())
""",
    "a message without a delimiter ended the broker": _changed((SEARCH, "")),
    "a message without a delimiter was passed on": _changed(
        (SEARCH, SEARCH.replace("continue", PASS + "\n                    continue"))
    ),
    "it connected where it had to bind": _changed(
        ("clients.bind", "clients.connect"), ("services.bind", "services.connect")
    ),
    "it connected where it had to bind (2)": _changed(("services.bind", "services.connect")),
    "the end was taken for an error": """\
import zmq

def broker(ctx, frontend, backend):
    clients, services = ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER)
    clients.bind(frontend)
    services.bind(backend)
    poller = zmq.Poller()
    poller.register(clients, zmq.POLLIN)
    poller.register(services, zmq.POLLIN)
    while True:
        try:
            ready = dict(poller.poll())
            if services in ready:
                clients.send_multipart(services.recv_multipart())
            if clients in ready:
                frames = clients.recv_multipart()
                end = frames.index(b"") + 1
                if frames[end:] == [b"PING"]:
                    clients.send_multipart([*frames[:end], b"PONG"])
                else:
                    services.send_multipart(frames)
        except Exception:
            pass
""",
}

RIGHT = {
    "the recipe's own unwrap and wrap": """\
import zmq
from patterns.shared_queue import unwrap, wrap

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        poller = zmq.Poller()
        for socket in clients, services:
            poller.register(socket, zmq.POLLIN)
        while True:
            for socket, _ in poller.poll():
                frames = socket.recv_multipart()
                if socket is services:
                    clients.send_multipart(frames)
                    continue
                try:
                    ids, body = unwrap(frames)
                except ValueError:
                    continue
                if body == [b"PING"]:
                    clients.send_multipart(wrap(ids, [b"PONG"]))
                else:
                    services.send_multipart(frames)
""",
    "the recipe's loop: a request waits where it holds up no ping": """\
import collections, zmq

def broker(ctx, frontend, backend):
    clients, services = ctx.socket(zmq.ROUTER), ctx.socket(zmq.DEALER)
    waiting = collections.deque()
    try:
        services.bind(backend)
        clients.bind(frontend)
        poller = zmq.Poller()
        poller.register(clients, zmq.POLLIN)
        while True:
            poller.register(services, zmq.POLLIN | (zmq.POLLOUT if waiting else 0))
            for socket, event in poller.poll():
                if socket == clients:
                    answer(clients, clients.recv_multipart(), waiting)
                if socket == services and event & zmq.POLLIN:
                    clients.send_multipart(services.recv_multipart())
                if socket == services and event & zmq.POLLOUT:
                    services.send_multipart(waiting.popleft())
    finally:
        clients.close()
        services.close()

def answer(clients, frames, waiting):
    envelope = []
    for place, frame in enumerate(frames):
        envelope.append(frame)
        if frame == b"":
            if frames[place + 1:] == [b"PING"]:
                clients.send_multipart(envelope + [b"PONG"])
            else:
                waiting.append(frames)
            return
""",
    "only the end of the message is looked at": """\
import zmq

def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        while True:
            readable, _, _ = zmq.select([clients, services], [], [])
            if clients in readable:
                *envelope, last = clients.recv_multipart()
                if last == b"PING" and envelope.count(b"") == 1 and envelope[-1] == b"":
                    clients.send_multipart(envelope + [b"PONG"])
                elif b"" in envelope:
                    services.send_multipart(envelope + [last])
            if services in readable:
                for number, frame in enumerate(reply := services.recv_multipart(), 1):
                    clients.send(frame, zmq.SNDMORE if number < len(reply) else 0)
""",
}
