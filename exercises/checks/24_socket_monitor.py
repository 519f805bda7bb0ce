# SPDX-License-Identifier: BSD-3-Clause
"""Say of each endpoint why nothing arrives from it."""

import contextlib
import time
from typing import Any, Self

import zmq

from diagrams import trace
from exercises.answer import Call
from exercises.scene import Mute, NotYet, Scene, TookTooLong, unexpected

ENTRY = "diagnose"

HINTS = (
    "Take one endpoint and one second, and write down every event that its monitor tells. Which of the eight names "
    "does that story exclude, and which two does it not tell apart?",
    "What stands at the end depends on the last of four events, and on whether a handshake ever succeeded: connected, "
    "handshake succeeded, disconnected, closed. A silence becomes an event only if somebody asks into it. And what "
    "you did not subscribe to does not come.",
    "Subscribe to everything and compare the first frame yourself. `heartbeat_ivl` and `heartbeat_timeout`, set "
    "before `connect`, turn a silence into DISCONNECTED, and a frozen peer then shows as CONNECTED without a "
    "handshake. One poller can wait for all sockets and all monitors.",
)
VARIANT = "tell a refusal by type from one by password, where the monitor lets you."
LIMIT = "a program that hangs is silent, and no more: its libzmq goes on answering PINGs."
WHY = "for each of the eight names, which event or which silence speaks for it, and against its neighbour?"

CONNECTED = "a connection was taken for a handshake"
REFUSED = "a refusal was not noticed"
TAKES = "a port that takes connections was taken for nobody"
HANGS_UP = "a silence was taken for a refusal"
UNASKED = "a silent connection was held to stand, and nobody asked"
LISTENS = "nobody listened, and a port was held to take connections"
BREATHES = "somebody who takes connections was held to be gone"
FORGOTTEN = "it was forgotten that a connection had stood"
STOPPED = "who stopped answering late was not seen"
HELD = "a connection that had ended was held to stand"
AFTER = "a hang-up after the handshake was taken for a refusal"
LATE = "who came late was not seen"
BACK = "who came back was not seen"
FILTERED = "only its own topic was asked for"
ANY = "any frame was taken for one of the topic"
DEAF = "messages came and were not received"
LAST = "the last message decided"
WHOLE = "a topic was compared as a whole"
WENT = "a message that had come was forgotten"
IMPATIENT = "who answers was held to be frozen"
ORDER = "the names were not in the order of the endpoints"
NAME = "a name was given that is not among the eight"
SHAPE = "it did not return a list with a name for each"
EARLY = "it did not use its time"
LONG = "it did not return in time"
OPEN = "a socket was left open"

LABELS = {
    CONNECTED: "which two events have to come before messages can?",
    REFUSED: "what does the monitor tell of a connection whose handshake fails, and what comes next?",
    TAKES: "which event tells that somebody listens?",
    HANGS_UP: "who ended that connection, if anybody did?",
    HELD: "which events can follow a handshake that succeeded?",
    UNASKED: "what does a monitor tell of a cable that carries nothing any more, and what can you set that asks?",
    STOPPED: "how long is it silent until you know, and up to when do you look?",
    BREATHES: "what does the monitor tell when the next connection is tried, and what if nobody listens?",
    FORGOTTEN: "what has to be remembered from before the last event?",
    AFTER: "had a handshake succeeded before the connection ended?",
    LISTENS: "what does the monitor tell of each try to connect, and what if nobody listens?",
    IMPATIENT: "how long may an answer to a PING take?",
    LATE: "what does a socket go on doing when nobody listens, and for how long do you look?",
    BACK: "what may follow DISCONNECTED?",
    DEAF: "what do you receive beside the monitor's events, and what have you subscribed to?",
    FILTERED: "who drops the messages of other topics, and what did you subscribe to?",
    ANY: "what makes a message one of the topic?",
    LAST: "a message of the topic has come, and then one of another topic: which name fits?",
    WHOLE: "what may stand behind the topic in the first frame?",
    WENT: "a message of the topic has come, and then the connection ends: which is the first name that fits?",
    ORDER: "in which order do you build the list?",
    NAME: "which eight names does the contract have?",
    SHAPE: "what does the contract say about the list?",
    EARLY: "what if somebody comes after you have looked?",
    LONG: "how long is the time for all endpoints together, and what do you still do when it is over?",
    OPEN: "who closes the sockets, and who the monitors?",
}

UNREAD = "what has come is read at once, so the queue never fills"
PATIENCE = "it asks and waits a little differently, and in time"
COLLECTED = "Python closes it when nobody knows the patient any more"
EQUIVALENT = {
    "line 12, drop: self.sub.rcvhwm = 0": UNREAD,
    "line 12, more: 0": UNREAD,
    "line 13, swap: (self.sub.heartbeat_ivl, self.sub.heartbeat_timeout)": PATIENCE,
    "line 13, swap: (100, 200)": PATIENCE,
    "line 13, less: 100": PATIENCE,
    "line 13, less: 200": PATIENCE,
    "line 37, drop: self.sub.disable_monitor()": COLLECTED,
    "line 38, drop: self.monitor.close()": COLLECTED,
    "line 39, drop: self.sub.close()": COLLECTED,
    "line 54, drop: patient.close()": COLLECTED,
    "line 51, more: 1000": PATIENCE,
    "line 51, less: 1000": PATIENCE,
}

NAMES = ("well", "other", "silent", "frozen", "gone", "refused", "mute", "nobody")
NEVER = {"refused", "mute", "nobody"}  # no handshake succeeded
CONFUSED = {
    **{(was, said): CONNECTED for was in NEVER for said in ("silent", "other", "gone", "frozen")},
    **{("refused", said): REFUSED for said in ("mute", "nobody")},
    ("mute", "nobody"): TAKES,
    ("mute", "refused"): HANGS_UP,
    ("nobody", "refused"): HANGS_UP,
    ("frozen", "silent"): UNASKED,
    ("frozen", "gone"): BREATHES,
    ("frozen", "mute"): FORGOTTEN,
    ("gone", "nobody"): FORGOTTEN,
    ("frozen", "nobody"): FORGOTTEN,
    ("gone", "silent"): HELD,
    ("gone", "other"): HELD,
    ("frozen", "other"): UNASKED,
    ("gone", "well"): ANY,
    ("frozen", "well"): ANY,
    ("gone", "frozen"): LISTENS,
    ("gone", "mute"): LISTENS,
    ("nobody", "mute"): LISTENS,
    ("gone", "refused"): AFTER,
    ("frozen", "refused"): AFTER,
    ("other", "silent"): FILTERED,
    ("other", "well"): ANY,
    ("well", "silent"): DEAF,
    ("well", "other"): WHOLE,
    **{(was, "frozen"): IMPATIENT for was in ("well", "other", "silent")},
}
CABLE = {  # what befalls it
    "gone": ("cut",),
    "frozen": ("freeze",),
    "half": ("freeze",),
    "taken": ("cut", "freeze"),
    "back": ("cut", "heal"),
}
ENDS = {"back": "silent", "half": "frozen", "taken": "frozen"}  # the name, if nobody has asked for its message
STRANGE = (zmq.PULL, zmq.PUSH, zmq.ROUTER, zmq.REP, zmq.PAIR)  # types that refuse a SUB

PAUSE = 0.1  # seconds from one act of a peer's to its next
LATEST = 0.2  # seconds that it waits for a subscription, or for a message to pass, before it goes
HALF = 0.45  # of its time, when a port is taken over, or somebody stops answering late
SPARE = 0.5  # seconds after its time in which an answer has to return
SHORT = 0.8  # of its time that an answer has to use


class Peer:
    """Somebody at an endpoint, of whom `name` is true when the time is over.

    plot  what it does from its first handshake on, each act a PAUSE after the one before; or, for one that comes late,
          from the first handshake of another. A str is done to its cable, once all that was sent has passed; bytes are
          the first frame of a message, which is sent once there is a subscription, and the last in the plot again and
          again
    """

    def __init__(self, clinic: "Clinic", who: str, name: str, story: str = "") -> None:
        self.clinic, self.who, self.name, self.story = clinic, who, name, story
        scene, open_ = clinic.scene, clinic.opened
        self.plot: list[str | bytes] = []
        self.due, self.heard, self.sent = float("inf"), False, 0
        if name == "mute":
            self.endpoint = open_.enter_context(Mute()).endpoint
            return
        context = trace.Context(scene.recording, who)
        open_.callback(context.term)
        self.socket = context.socket(scene.random.choice(STRANGE) if story == "type" else zmq.XPUB)
        open_.callback(self.socket.close, 0)
        self.socket.linger, self.socket.plain_server = 0, story == "mechanism"
        self.monitor = self.socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        open_.callback(self.monitor.close)
        open_.callback(self.socket.disable_monitor)
        self.socket.bind("tcp://127.0.0.1:*")
        self.wire = scene.wire(self.socket.last_endpoint.decode())
        self.endpoint = self.wire.endpoint
        match name, story:
            case "well", "":
                self.plot = [clinic.topic + b" 7"]
            case "well", "late":
                self.plot = ["heal", clinic.topic, clinic.word]
            case "well", _:
                self.plot = [clinic.topic, *CABLE[story]]
            case _, "late":
                self.plot = ["heal"]
            case _, "taken":  # soon, so that it is away for a while
                self.plot = list(CABLE[story])
            case "other", "":
                self.plot = list(clinic.odd)
            case (("other" | "gone" | "frozen"), _):
                self.plot = [clinic.others.pop(), *CABLE.get(story or name, ())]
        if name == "nobody" or story == "late":
            self.wire.cut()

    def look(self, now: float) -> None:
        """Do what is due."""
        if self.name == "mute":
            return
        if self.monitor.poll(0):
            self.monitor.recv_multipart()
            self.clinic.meets(now)
            self.due = min(self.due, now + PAUSE)
        if self.due > now or not self.plot:
            return
        if self.story in ("half", "taken") and self.plot == ["freeze"] and now < self.clinic.half:
            return
        act, late = self.plot[0], now > self.due + LATEST
        if isinstance(act, str):
            if self.wire.count("back") < self.sent and not late:
                return
            getattr(self.wire, act)()
            if self.story in CABLE and not self.wire.count("back"):  # nobody has asked it for anything in time
                self.name = ENDS.get(self.story, self.story)
        elif self._subscribed():
            kind = act.startswith(self.clinic.topic)
            self.socket.send_multipart([act, self.clinic.word if kind else self.clinic.topic])
            self.sent += 1
        elif not late or isinstance(self.plot[-1], bytes):
            return
        if len(self.plot) > 1 or isinstance(act, str):
            self.plot.pop(0)
        self.due = now + PAUSE if self.plot else float("inf")

    def _subscribed(self) -> bool:
        self.heard = self.heard or bool(self.socket.poll(0))
        return self.heard


class Clinic:
    """The answer under trial and its patients, each (name, story).

    odd     first frames that are not of the topic
    others  of these, one for each patient that sends one of them only
    """

    def __init__(self, scene: Scene, *cases: tuple[str, str]) -> None:
        self.scene, self.opened, self.met = scene, contextlib.ExitStack(), False
        self.topic, self.word, *self.words = scene.words(len(cases) + 2)
        odd = [
            self.topic[:-1],
            b"x" + self.topic,
            self.topic.upper(),
            self.word,
            self.topic.title(),
            b" " + self.topic,
        ]
        self.odd = scene.random.sample(odd, len(odd))
        self.others = list(self.odd)
        self.seconds = round(scene.random.uniform(1.1, 1.3), 2)
        self.cases = scene.random.sample(cases, len(cases))

    def __enter__(self) -> Self:
        with self.opened:
            self.peers = [Peer(self, who.decode(), *case) for who, case in zip(self.words, self.cases, strict=True)]
            self.endpoints = [peer.endpoint for peer in self.peers]
            call = Call((list(self.endpoints), self.topic, self.seconds))
            self.answer = self.scene.answer(call)
            self.answer.begun()
            self.half = time.monotonic() + HALF * self.seconds
            self.opened = self.opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.opened.close()

    def meets(self, now: float) -> None:
        """A handshake. After the first, when nobody else can have been missed any more, some come late."""
        for peer in self.peers if not self.met else ():
            if peer.story == "late":
                peer.due = now + 2 * PAUSE
        self.met = True

    def played(self) -> bool:
        """Play until the answer has returned. Whether it has."""
        return self.answer.until(lambda: self.answer.process.told, self.seconds + 1.0, self._look)

    def _look(self) -> None:
        for peer in self.peers:
            peer.look(time.monotonic())

    def judge(self) -> None:
        if not self.played():
            stood = self.answer.stood()
            raise NotYet(LONG, f"It had {self.seconds:g} s for all, and 1 s later it stood {stood}.")
        outcome = self.answer.outcomes(0.01)[0]
        if outcome.error:
            unexpected(outcome)
        self._named(outcome.value, outcome.seconds)
        if outcome.seconds > self.seconds + SPARE:
            raise NotYet(LONG, f"It had {self.seconds:g} s for all, and took {outcome.seconds:.1f} s.")
        if outcome.seconds < self.seconds * SHORT:
            raise NotYet(EARLY, f"It had {self.seconds:g} s, and returned after {outcome.seconds:.2f} s.")
        if outcome.left_open:
            raise NotYet(OPEN, "Your function had returned, and a socket of its Context was still open.")

    def _named(self, value: Any, seconds: float) -> None:
        """Look at the names that it gave."""
        truth = [peer.name for peer in self.peers]
        if not isinstance(value, list) or len(value) != len(truth) or not all(isinstance(n, str) for n in value):
            raise NotYet(SHAPE, f"There were {len(truth)} endpoints, and your function returned {value!r:.200}.")
        wrong = [(peer, said) for peer, said in zip(self.peers, value, strict=True) if said != peer.name]
        if not wrong:
            return
        if strange := [said for _, said in wrong if said not in NAMES]:
            raise NotYet(NAME, f"One of the names was {strange[0]!r:.60}.")
        labels = {self._label(*pair) for pair in wrong}
        label = next(filter(labels.__contains__, LABELS), "")  # whichever endpoint comes first
        wrong.sort(key=lambda pair: self._label(*pair) != label)
        happened = "; ".join(f"{peer.who} was {self._told(peer)}, and you said {said!r}" for peer, said in wrong[:3])
        if sorted(value) == sorted(truth) and len(wrong) > 2:
            raise NotYet(ORDER, f"Each name was right for another endpoint: {happened}.")
        if seconds < self.seconds * SHORT:
            raise NotYet(EARLY, f"It had {self.seconds:g} s, and returned after {seconds:.2f} s: {happened}.")
        shown = self.scene.first("send", wrong[0][0].who)
        raise NotYet(label, f"{happened[0].upper()}{happened[1:]}.", shown)

    def _told(self, peer: Peer) -> str:
        return f"{peer.name!r}" + {
            "late": " (it came late)",
            "back": " (its message came, and then it went and came back)",
            "taken": " (it went, and another listens there who never says a word)",
            "half": " (it stopped answering shortly before the half)",
            "gone": " (its message came, and then it went)",
            "frozen": " (its message came, and then it froze)",
        }.get(peer.story, "")

    def _label(self, peer: Peer, said: str) -> str:
        if peer.story == "late" and said in NEVER:
            return LATE
        if peer.story == "half" and said in ("silent", "other"):
            return STOPPED
        if peer.story == "late" and (peer.name, said) == ("well", "other"):
            return LAST
        lost = peer.name == "well" and peer.story in CABLE and said != "other"
        if lost or (peer.story, said) == ("back", "silent"):
            return WENT
        if peer.story == "back" and said in ("gone", "frozen", "refused", "nobody", "mute"):
            return BACK
        return CONFUSED.get((peer.name, said), "")


def a_round(scene: Scene) -> None:
    """one of each kind, and some who come late, go, freeze or come back"""
    cases = [(name, {"refused": "type", "silent": "late"}.get(name, "")) for name in NAMES]
    more = [("refused", "mechanism"), ("well", "late"), ("well", "gone"), ("well", "frozen"), ("other", "back")]
    more += [("frozen", "taken"), ("frozen", "half")]
    with Clinic(scene, *cases, *more) as clinic:
        clinic.judge()


def four_of_them(scene: Scene) -> None:
    """four of them"""
    with Clinic(scene, ("silent", ""), ("refused", "type"), ("mute", ""), ("nobody", "")) as clinic:
        if not clinic.played():
            raise TookTooLong(clinic.answer.stood())
        clinic.answer.outcomes()


TRY = four_of_them
SCENES = (a_round,)
