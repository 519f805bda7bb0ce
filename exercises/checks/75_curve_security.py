# SPDX-License-Identifier: BSD-3-Clause
"""A service under CURVE that knows who asks, and whose members change while they are connected.

The check plays the members, those who would like to be one, and the desk. What they hear, decides.
"""

import contextlib
from typing import Any, Self

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from diagrams import trace
from exercises.answer import Call
from exercises.scene import NotYet, Scene, TookTooLong, unexpected

ENTRY = "practice"

HINTS = (
    "Two things have to be decided: who comes in, and who is answered under which name. When is each of them decided, "
    "and which of the two can change its mind later?",
    "An authenticator decides at the door. Behind the door each message still tells whose connection it has come over, "
    "and the list of members may be looked at again, as it is now.",
    "`configure_curve_callback` asks a method of yours with the Z85 of the key; `recv(copy=False)` gives a frame, and "
    'its `get("User-Id")` the same key as text.',
)
VARIANT = "let each member have several keys, and an order that takes one of them away."
LIMIT = "whoever is removed gets no answers, and its connection stays open."
WHY = "what would a member hear, who is removed and is connected, if you asked the authenticator alone?"

STRANGER = "a stranger was let in"
OPEN = "who has no keys was let in"
KEPT = "a member was kept out"
DESK = "the desk was asked for keys"
BELIEVED = "a client was believed what it says of itself"
LAST = "who came in last was taken for who asks"
REUSED = "who had gone was taken for who asks"
KEY = "the key was given for the name"
FORM = "the reply is not the one of the contract"
NO = "a member was told no"
STAYED = "who was removed was still answered"
UNTOLD = "who was removed got no reply"
BACK = "who was removed was let in again"
NEWCOMER = "who was added was kept out"
OLD = "an old key still counted"
DOOR = "the name was decided at the door"
TEXT = "bytes were taken for text"
WAITING = "a stranger was kept waiting at the door"
END = "it ended before the desk said so"
LEFT = "a socket was left open"

LABELS = {
    STRANGER: "who decides whether a key may come in, if the server's options do not?",
    OPEN: "which options make a socket a CURVE server, and when are they read?",
    KEPT: "in which form does a key come to you, and in which form does it stand in your list?",
    DESK: "which sockets inherit what you set, and on what did you set it?",
    BELIEVED: "which part of a message can a client not choose?",
    LAST: "to which connection does a name belong, and how many connections are there?",
    REUSED: "for how long does a routing id belong to a connection, and how often do you look whose key it has?",
    KEY: "which way round is your list of members?",
    FORM: "which frames does the contract want, and in which order?",
    NO: "who is a member, after the orders that have come so far?",
    STAYED: "how often is an authenticator asked about a connection, and how often do you look at your list?",
    UNTOLD: "what does the contract want for a question of somebody who is no member any more?",
    BACK: "which list does your authenticator look at, and who changes it?",
    NEWCOMER: "which list does your authenticator look at, and who changes it?",
    OLD: "how many keys does a member have, and what becomes of the one before?",
    DOOR: "under which name is a connection known to you, and what if the list has another name for its key by now?",
    TEXT: "who has promised that a question, or a name, can be decoded?",
    WAITING: "which status tells a client that it is refused, and which one that it may come in later?",
    END: "on which socket does the end come, and what is the whole message?",
    LEFT: "who closes the sockets on the way out, and who stops the authenticator?",
}

EQUIVALENT: dict[str, str] = {}

BEGIN = 2.0  # seconds in which a function that runs answers its first order
SOON = 1.2  # seconds in which it does what nothing keeps it from
TOLD = 0.3  # seconds in which it is known that it has ended
ROUNDS = 8  # questions, twice as many as it takes
HANDS, GONE = zmq.EVENT_HANDSHAKE_SUCCEEDED, zmq.EVENT_DISCONNECTED

Pair = tuple[bytes, bytes]  # public, secret


def pair(scene: Scene) -> Pair:
    """Keys that are drawn for this run, as all else is."""
    secret = z85.encode(scene.random.randbytes(32))
    return zmq.curve_public(secret), secret


class Practice:
    """The function under trial, its desk, and its members, by name."""

    def __init__(self, scene: Scene, count: int) -> None:
        self.scene, self.opened = scene, contextlib.ExitStack()
        first, *names = scene.words(count + 1)
        self.keys, self.pairs = pair(scene), {name: pair(scene) for name in names}
        self.names, self.first, self.ending = names, first, False
        self.front, self.door = scene.stage.endpoint("front"), scene.stage.endpoint("desk")
        members = {name: public for name, (public, _) in self.pairs.items()}
        self.answer = scene.answer(Call((self.front, self.door, self.keys, members)))

    def __enter__(self) -> Self:
        """Return when the first order has been answered: then it is bound."""
        self.answer.begun()
        with self.opened:
            self.desk = self.socket("desk", zmq.REQ)
            self._let_in(self.desk, self.door, BEGIN, DESK, "The desk has no keys, and its connection was refused.")
            self.order(b"add", self.first, pair(self.scene)[0])
            self.opened = self.opened.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.opened.close()

    def socket(self, who: str, kind: int, **options: Any) -> Any:
        context = trace.Context(self.scene.recording, who)
        self.opened.callback(context.term)
        socket = context.socket(kind)
        self.opened.callback(socket.close, 0)
        for option, value in options.items():
            setattr(socket, option, value)
        return socket

    def order(self, *frames: bytes) -> None:
        """The desk gives an order, which holds on return."""
        self.desk.send_multipart(frames)
        reply = self._hears(self.desk, BEGIN, f"the desk's order {frames[0]!r}")
        if reply != [b"ok"]:
            raise NotYet(FORM, f"The desk's order {frames[0]!r} was answered by {reply!r:.90}, not by [b'ok'].")

    def keyed(self, keys: Pair) -> dict[str, Any]:
        """The options of a client with these keys."""
        return {"curve_serverkey": self.keys[0], "curve_publickey": keys[0], "curve_secretkey": keys[1]}

    def client(self, name: bytes, label: str = KEPT, **options: Any) -> Any:
        """Somebody who is to be let in."""
        socket = self.socket(name.decode(), zmq.REQ, **self.keyed(self.pairs[name]), **options)
        told = f"{name.decode()!r} knocked with the key that the list has for it by now, and was kept out."
        self._let_in(socket, self.front, SOON, label, told)
        return socket

    def stranger(self, who: str, label: str, what: str, **options: Any) -> None:
        """Somebody who is to be kept out."""
        socket = self.socket(who, zmq.REQ, **options)
        said = self._knock(socket, self.front, SOON)
        if said == "in":
            raise NotYet(label, f"Somebody knocked {what}, and was let in.")
        if said != "out":
            self._ended("who knocked")
            self.order(b"remove", self.first)  # or it is not at work at all
            raise NotYet(WAITING, f"Somebody knocked {what}, and had not been refused after {SOON} s.")
        socket.close()

    def ask(self, socket: Any, name: bytes, question: bytes, wrong: dict[bytes, str] | None = None) -> None:
        """A member asks; its reply has its name. `wrong`: first frames that would be wrong, and the label of each."""
        got = self._asked(socket, question)
        if got == [name, question]:
            return
        told = f"{name!r} asked {question!r}, and got {got!r:.120}."
        known = {
            b"no": NO if name != b"no" else FORM,
            **{other: LAST for other in self.names if other != name},
            **(wrong or {}),
        }
        if (got == [b"no"] or got[1:] == [question]) and got[0] in known:
            raise NotYet(known[got[0]], told)
        if len(got) == 2 and got[0] in [public for public, _ in self.pairs.values()]:
            raise NotYet(KEY, told)
        raise NotYet(END if got == [b"ok"] else FORM, told)

    def leave(self, socket: Any, other: Any, name: bytes) -> None:
        """A member goes, and it is certain that the front knows: since then another has been answered ROUNDS times.

        Its end comes before their questions. It takes its socket two more rounds to forget its routing id.
        """
        socket.close(0)
        socket.context.term()
        for number in range(ROUNDS):
            self.ask(other, name, b"%d" % number)

    def denied(self, socket: Any, label: str, question: bytes) -> None:
        """Somebody who is no member any more asks."""
        socket.send(question)
        got = self._hears(socket, SOON, f"the question {question!r}", untold=True)
        told = f"Somebody who is no member any more asked {question!r}, and got {got!r:.120}."
        if got == [b"no"]:
            return
        if not got:
            raise NotYet(UNTOLD, f"Somebody who is no member any more asked {question!r}, and got no reply.")
        raise NotYet(label if got[0] != b"no" and got[1:] == [question] else FORM, told)

    def end(self) -> None:
        self.ending = True
        self.order(b"end")
        [outcome] = self.answer.outcomes(SOON)
        if outcome.error:
            unexpected(outcome)
        if outcome.left_open:
            raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")
        if outcome.value is not None:
            unexpected(outcome)

    def _asked(self, socket: Any, question: bytes) -> list[bytes]:
        socket.send(question)
        return self._hears(socket, SOON, f"the question {question!r}")

    def _hears(self, socket: Any, seconds: float, what: str, untold: bool = False) -> list[bytes]:
        if self.answer.until(lambda: socket.poll(0), seconds, after=TOLD):
            frames: list[bytes] = socket.recv_multipart()
            return frames
        self._ended(what)
        if untold:
            return []
        raise TookTooLong(f"{self.answer.stood()}, and {what} was not answered")

    def _knock(self, socket: Any, endpoint: str, seconds: float) -> str:
        with socket.get_monitor_socket(HANDS | GONE) as monitor:
            socket.connect(endpoint)
            there = self.answer.until(lambda: monitor.poll(0), seconds, after=TOLD)
            event = recv_monitor_message(monitor)["event"] if there else None
            socket.disable_monitor()
        return {HANDS: "in", GONE: "out"}.get(event, "") if event is not None else ""

    def _let_in(self, socket: Any, endpoint: str, seconds: float, label: str, told: str) -> None:
        said = self._knock(socket, endpoint, seconds)
        if said != "in":
            self._ended("who knocked")
        if said == "out":
            raise NotYet(label, told)
        if not said:
            raise TookTooLong(f"{self.answer.stood()}, and nobody let in who knocked")

    def _ended(self, what: str) -> None:
        """That the function has ended is the better reason for silence."""
        self.answer.until(lambda: False, TOLD)
        if not (outcome := self.answer.ended()):
            return
        if outcome.error in ("UnicodeDecodeError", "UnicodeEncodeError"):
            raise NotYet(TEXT, f"Your function raised {outcome.error}: {outcome.message:.90}.")
        if outcome.error:
            unexpected(outcome)
        label = FORM if self.ending else END
        raise NotYet(label, f"Your function returned {outcome.value!r:.60}, and {what} was not answered.")


def members_and_strangers(scene: Scene) -> None:
    """members who ask, some under false names, and strangers at the door"""
    one, two, three, four, five = scene.words(5)
    with Practice(scene, 3) as practice:
        ann, ben, cleo = practice.names
        practice.stranger("nobody", OPEN, "without any keys")
        practice.stranger("keys", STRANGER, "with keys that are no member's", **practice.keyed(pair(scene)))
        first = practice.client(ann, routing_id=ann)
        practice.ask(first, ann, one)
        second = practice.client(ben, routing_id=cleo)  # nobody else has this one: a REP would not hear the second
        practice.ask(second, ben, two, {cleo: BELIEVED})
        practice.ask(first, ann, three)
        practice.stranger("plain", OPEN, "with a name and a password", plain_username=ann, plain_password=four)
        practice.ask(second, ben, ann, {ann: BELIEVED, cleo: BELIEVED})
        practice.ask(first, ann, b"\xff" + four + b"\0")
        practice.ask(second, ben, five, {cleo: BELIEVED})
        practice.leave(second, first, ann)
        third = practice.client(cleo, routing_id=cleo)  # which was the one of who has gone
        practice.ask(third, cleo, b"end", {ben: REUSED})
        practice.ask(first, ann, b"")
        practice.end()


def the_list_changes(scene: Scene) -> None:
    """members who are removed, added, added again and renamed, and a key that is replaced, while they are connected"""
    one, two, three, four, five, six, seven = scene.words(7)
    with Practice(scene, 5) as practice:
        ann, ben, cleo, dora, emma = practice.names
        first, second, fourth = practice.client(ann), practice.client(ben), practice.client(dora)
        practice.ask(first, ann, one)
        practice.ask(second, ben, two)
        practice.ask(fourth, dora, three)
        practice.order(b"remove", ben)
        practice.denied(second, STAYED, three)
        practice.ask(first, ann, four)
        practice.stranger("removed", BACK, "whose name had been removed", **practice.keyed(practice.pairs[ben]))

        practice.order(b"remove", dora)
        practice.order(b"add", b"end", practice.pairs[dora][0])
        practice.order(b"add", dora, pair(scene)[0])
        practice.ask(fourth, b"end", five, {dora: DOOR})

        newcomer, keys = b"\xe9" + five, pair(scene)
        practice.stranger("early", STRANGER, "with a pair of keys that is no member's yet", **practice.keyed(keys))
        practice.order(b"add", newcomer, keys[0])
        third = practice.socket("newcomer", zmq.REQ, **practice.keyed(keys))
        practice._let_in(third, practice.front, SOON, NEWCOMER, "Somebody was added, knocked, and was kept out.")
        practice.ask(third, newcomer, six)

        old, new = practice.pairs[ann], pair(scene)
        practice.order(b"add", ann, new[0])
        practice.pairs[ann] = new
        practice.denied(first, OLD, seven)
        practice.stranger("old key", OLD, "with a key that had been replaced", **practice.keyed(old))
        practice.ask(practice.client(ann, NEWCOMER), ann, one)

        practice.order(b"remove", b"end")
        practice.denied(fourth, STAYED, six)
        practice.order(b"add", ben, practice.pairs[dora][0])
        practice.ask(fourth, ben, two)
        practice.ask(practice.client(cleo), cleo, three)
        practice.order(b"remove", scene.words(1)[0] + b" nobody")
        fifth = practice.client(emma)
        practice.ask(fifth, emma, four)
        practice.order(b"add", emma, practice.pairs[emma][0])  # which it has already
        practice.ask(fifth, emma, five)
        practice.order(b"remove", emma)
        practice.order(b"add", b"no", practice.pairs[emma][0])
        practice.ask(fifth, b"no", six)
        practice.end()


TRY = members_and_strangers
SCENES = (members_and_strangers, the_list_changes)
