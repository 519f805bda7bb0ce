# SPDX-License-Identifier: BSD-3-Clause
"""Answer every request, also those that cannot be served, and go on."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import zmq

from exercises.answer import Outcome
from exercises.peers import LOST_FRAME, SOON, UNBOUND, Peer, Table
from exercises.scene import NotYet, Scene, TookTooLong, unexpected

ENTRY = "server"


HINTS = (
    "What does the client hear if `work` raises? And what does the next client hear?",
    "Between `recv` and the next `recv` a REP must send, once, on every path through your loop. Which lines may fail, "
    "and which of them belong inside a `try`?",
    "`except ValueError as error` around the call of `work` alone; `str(error).encode()` makes a frame of its text. "
    "`recv_multipart` receives all the frames that a client has sent.",
)
VARIANT = "let the reply to a request that failed say what kind of error it was, in a frame of its own."
LIMIT = "if the server dies between recv and send, that request remains without a reply."
WHY = "which line of yours guarantees that exactly one reply goes out on every path through the loop?"

ENDED = "one bad request ended the server"
FRAMES = "a request of two frames ended the server"
SERVED = "a request of two frames was served"
AGAIN = "it received again before it had replied"
TWICE = "it replied twice to one request"
ONE = "the reply's two frames went out as one"
STR = "str was sent where bytes go"
STOPPED = "it did not go on serving"
UNANSWERED = "a request remained without a reply"
CONNECTED = "it connected where it had to bind"
CAUGHT = "the end was taken for an error"
SWALLOWED = "the end was not let through"
OK = "the reply said OK to a request that failed"
ERROR = "the reply said ERROR to a request that was served"
OTHER = "the reply is another than the contract names"

LABELS = {
    ENDED: "which line raised, and who was there to catch it?",
    FRAMES: "how much of a request does your call receive, and what if there is more?",
    SERVED: "which part of that request did `work` get, and what does the contract say of it?",
    AGAIN: "what does a REP have to do between two receives?",
    TWICE: "which of your sends runs after the other?",
    ONE: "how does a message of several frames leave a socket?",
    STR: "what turns the error's text into bytes?",
    STOPPED: "who waits for the next request?",
    UNANSWERED: "what becomes of the requests that wait in a socket while you are busy with another?",
    CONNECTED: "who listens at the endpoint when clients and server both connect?",
    UNBOUND: "which call makes a socket listen at an endpoint?",
    LOST_FRAME: "which frames does a REQ put in front of its request, and want back?",
    CAUGHT: "which exceptions does your `except` catch, beside the one you mean?",
    SWALLOWED: "who catches `ContextTerminated`, and who was to hear of it?",
    OK: "how can the client tell a result from an error?",
    ERROR: "how do you tell that `work` has failed: by what it returns, or by what it raises?",
    OTHER: "which frame is the status, which the result or the text, and who else changes them?",
}

EQUIVALENT = {"line 7, swap: (request, *more)": "of one frame the first is the last; more are an error anyway"}

SILENCE = 1.2  # seconds without a request


@dataclass(frozen=True)
class Work:
    """What the server is asked to do: a result in bytes for each request, or the text of its ValueError, or None for
    one without a text. For the request `slow` it takes its time."""

    results: dict[bytes, bytes | str | None]
    slow: bytes = b""

    def __call__(self, request: bytes) -> bytes:
        result = self.results.get(bytes(request), "nobody has asked this")
        if self.slow and request == self.slow:
            threading.Event().wait(0.2)
        if isinstance(result, bytes):
            return result
        raise ValueError() if result is None else ValueError(result)

    def due(self, frames: Sequence[bytes]) -> list[bytes]:
        """The reply to this request; without its text where that is open."""
        result = self.results[frames[0]] if len(frames) == 1 else b""
        if len(frames) > 1:
            return [b"ERROR"]
        return [b"OK", result] if isinstance(result, bytes) else [b"ERROR", (result or "").encode()]


class Desk(Table):
    """The answer, and clients that ask it to do this work."""

    def __init__(self, scene: Scene, results: dict[bytes, bytes | str | None], slow: bytes = b"") -> None:
        super().__init__(scene, "endpoint", args=(Work(results, slow),))
        self.work, self.replied = Work(results), 0

    def blame(self, label: str, happened: str, peer: Peer | None = None) -> NoReturn:
        if label == UNBOUND and (event := self.scene.joined("connect", *self.ends.values())):
            raise NotYet(CONNECTED, "Clients and server both connected, and nobody listened.", event)
        super().blame(label, happened, peer)

    def client(self, name: str) -> Peer:
        return self.seat(name, "endpoint")

    def asks(self, client: Peer, *requests: bytes) -> None:
        """One request after the other, each with its reply."""
        for request in requests:
            client.say(request)
            self.replies(client, request)

    def replies(self, client: Peer, *request: bytes) -> None:
        """The reply that this client waits for is the one that is due."""
        frames, due = client.hears(2 * SOON), self.work.due(request)
        if not frames:
            self.nothing(client, request)
        self.framed(client, frames, 1)
        self.replied += 1
        reply = frames[1:]
        happened = f"{_said(request)} was to be answered with {_said(due)}, and {_said(reply)} came."
        if reply == due or (len(due) == 1 and len(reply) == 2 and reply[:1] == due):
            return
        if len(reply) == 1:
            self.blame(ONE, happened, client)
        if reply[0] == b"OK" and due[0] == b"ERROR":
            self.blame(OK if len(request) == 1 else SERVED, happened, client)
        if reply[0] == b"ERROR" and due[0] == b"OK":
            self.blame(ERROR, happened, client)
        self.blame(OTHER, happened, client)

    def nothing(self, client: Peer, request: Sequence[bytes]) -> NoReturn:
        """Nobody replied: find out why."""
        outcome = self.answer.ended()
        if outcome is None:
            if not self.replied:
                raise TookTooLong(f"{self.answer.stood()}, and {_said(request)} was not answered")
            happened = f"{client.title} waits for a reply to {_said(request)}, and you stood {self.answer.stood()}."
            self.blame(UNANSWERED, happened)
        raised = f"{outcome.error} {outcome.message}".strip() or "it had returned"
        happened = f"After {_said(request)} no reply came, and your server had ended: {raised}."
        self.why(outcome, happened, request)
        unexpected(outcome)

    def why(self, outcome: Outcome, happened: str, request: Sequence[bytes]) -> None:
        if len(request) > 1:
            raise NotYet(FRAMES, happened)
        if outcome.errno == zmq.EFSM:
            refused = self.scene.first("refused", ENTRY)
            raise NotYet(TWICE if refused else AGAIN, happened, refused or self.scene.first("barred", ENTRY))
        if outcome.error == "TypeError" and ("unicode" in outcome.message or "buffer interface" in outcome.message):
            raise NotYet(STR, happened)
        if not outcome.error:
            raise NotYet(STOPPED, happened, self.scene.first("send", ENTRY))
        if self.work.due(request)[0] == b"ERROR":
            raise NotYet(ENDED, happened)

    def quiet(self, *clients: Peer) -> None:
        """Nobody gets a second reply."""
        client, frames = self.first(clients, 0.1)
        if frames:
            self.blame(TWICE, f"{client.title} had its reply, and then {_said(frames[1:])} came.", client)

    def over(self) -> None:
        """Its Context ends, and so does it."""
        try:
            [outcome] = self.answer.ends()
        except TookTooLong as where:
            happened = f"Its Context was terminated, and 1.5 s later your server still ran, {where}."
            raise NotYet(CAUGHT, happened) from None
        if not outcome.error:
            raise NotYet(SWALLOWED, "Its Context was terminated, and your server returned as if nothing had happened.")
        if "ContextTerminated" not in outcome.raised:
            unexpected(outcome)


def _said(frames: Sequence[bytes]) -> str:
    return "".join(f"[{frame!r:.80}]" for frame in frames)


def _results(scene: Scene, *faults: str | None) -> dict[bytes, bytes | str | None]:
    """Four requests with results, of which the last is empty, then one for each fault."""
    requests, results = scene.words(4 + len(faults)), scene.words(3)
    return dict(zip(requests, [*(b"\xff" + result[::-1] for result in results), b"", *faults], strict=True))


def two_clients_in_turn(scene: Scene) -> None:
    """two clients in turn, the end of its Context"""
    results = _results(scene) | {b"": scene.words(1)[0]}
    one, two, three, four, empty = results
    with Desk(scene, results) as desk:
        ann, bob = desk.client("Ann"), desk.client("Bob")
        desk.asks(ann, one, two)
        desk.asks(bob, three, four, empty)
        desk.asks(ann, two)
        desk.quiet(ann, bob)
        desk.over()


def requests_that_cannot_be_served(scene: Scene) -> None:
    """requests that cannot be served"""
    number = scene.random.randrange(1000)
    results = _results(scene, f"not a word, no. {number}", f"never heard of it: è{number}", None, "busy with that")
    one, two, three, four, known, foreign, silent, slow = results
    with Desk(scene, results, slow) as desk:
        ann, bob = desk.client("Ann"), desk.client("Bob")
        desk.asks(ann, one, known, foreign, two, silent)
        desk.asks(bob, three)
        ann.say(slow)
        bob.say(two)  # it waits while the server is busy
        desk.replies(ann, slow)
        desk.replies(bob, two)
        ann.say(one, four)
        desk.replies(ann, one, four)
        desk.asks(bob, known, three)
        threading.Event().wait(SILENCE)  # nobody asks for a while
        desk.asks(ann, two)
        desk.quiet(ann, bob)


TRY = two_clients_in_turn
SCENES = (two_clients_in_turn, requests_that_cannot_be_served)
