# SPDX-License-Identifier: BSD-3-Clause
"""A door of plain TCP in front of a ZeroMQ service: requests in pieces, silent callers, requests that are none.

The visitors are TCP sockets of the check's own. What they read, and what the service was asked, decides.
"""

import contextlib
import socket
import time
from typing import Any, NoReturn

import zmq

from exercises.answer import Call
from exercises.scene import LOOK, NotYet, Scene, TookTooLong, unexpected

ENTRY = "door"

HINTS = (
    "How many messages does your STREAM receive for one request, and what do you know of it after the first of them?",
    "Keep what each connection has said so far. Add each piece to it, and look for the end of the request in all of "
    "that.",
    'A dictionary from the first frame to the bytes so far; `b"\\r\\n\\r\\n" in said[who]` is the end, and an empty '
    "second frame adds nothing to it.",
)
VARIANT = "let a visitor who has sent 8 kB without an empty line be hung up on, and say why a door needs that."
LIMIT = "a visitor who sends without end, and no empty line, fills the memory of the door."
WHY = "what do you know of a request when its first piece has come?"

PIECES = "a piece was taken for the whole request"
MIXED = "the pieces of two visitors were put together"
OTHERS = "a visitor got nothing because of another"
CUT = "an unfinished request was hung up on"
END = "the end of a request was overlooked"
NOTICE = "an empty frame was taken for a request"
BAD = "a request that is not to be asked was asked"
REFUSED = "a good request was refused"
WORD = "the service was asked for something else"
KEPT = "a visitor got a reply for which the service was not asked"
COUNTED = "it returned before `count` visitors had their answer"
TEXT = "bytes were taken for text"
LENGTH = "Content-Length is not the number of bytes"
FORM = "the response is not the one of the contract"
HANGUP = "the connection stayed open"
LEFT = "a socket was left open"

LABELS = {
    PIECES: "TCP has no messages; where in the bytes is the end of a request?",
    MIXED: "what does the first frame of each message tell you?",
    OTHERS: "what do you do while somebody's request is unfinished, and if he goes in the middle of it?",
    CUT: "what may still come from a visitor whose request is not whole?",
    END: "can the four bytes at the end of a request come in two pieces?",
    NOTICE: "what does STREAM report with an empty second frame?",
    BAD: "what has to be true of the first line before you ask?",
    REFUSED: "what is the first line of a request, and what comes behind it?",
    WORD: "which part of the first line is the word?",
    KEPT: "for how many requests is one reply of the service good?",
    COUNTED: "which visitors count?",
    TEXT: "who has promised that what comes from a visitor, or from the service, can be decoded?",
    LENGTH: "what does that line count, characters or bytes, and of which part of the response?",
    FORM: "how does the contract write the response, byte by byte, and how does a line of HTTP end?",
    HANGUP: "which message makes a STREAM hang up?",
    LEFT: "who closes the sockets on the way out?",
}

BIND = 2.0  # seconds in which a function that runs has bound its STREAM
SOON = 1.2  # seconds in which it does what nothing keeps it from
TOLD = 0.5  # seconds in which it is known that it has ended
GLANCE = 0.01  # seconds for what would be there already
REPLIES = (b"%b", b"", b"caf\xc3\xa9 %b", b"\xff\xfe%b\r\n\r\n", b"%b\0\xe9")  # of the service, in turn


class Street:
    """The function under trial, its service, and what that was asked."""

    def __init__(self, scene: Scene, count: int) -> None:
        self.scene, self.asked, self.replies = scene, list[bytes](), list[bytes]()
        back = scene.stage.endpoint("back")
        scene.stage.play(self.service, back, name="service")
        scene.recording.wait("bind", "service")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = free.getsockname()
        self.answer = scene.answer(Call((f"tcp://127.0.0.1:{self.address[1]}", back, count)))
        self.open = contextlib.ExitStack()
        self.silent: socket.socket  # says nothing as long as the door is open

    def __enter__(self) -> "Street":
        self.answer.begun()
        until = time.monotonic() + BIND
        with self.open:
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    self.silent = self._connected()
                    break
                if outcome := self.answer.ended():
                    unexpected(outcome)
                if time.monotonic() > until:
                    raise TookTooLong(f"{self.answer.stood()}, and nobody listened at its front")
                time.sleep(LOOK)
            self.open = self.open.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self.open.close()

    def service(self, ctx: zmq.Context[Any], endpoint: str) -> None:
        with ctx.socket(zmq.REP) as rep:
            rep.bind(endpoint)
            while True:
                frames = rep.recv_multipart()
                self.asked.append(b"|".join(frames))
                reply = REPLIES[len(self.replies) % len(REPLIES)].replace(b"%b", self.scene.words(1)[0])
                self.replies.append(reply)
                rep.send(reply)

    def visitor(self) -> socket.socket:
        try:
            return self._connected()
        except OSError:
            self._ended("Somebody came to the door, and nobody listened there any more.")
            raise TookTooLong(f"{self.answer.stood()}, and nobody listened at its front any more") from None

    def _connected(self) -> socket.socket:
        tcp = self.open.enter_context(socket.create_connection(self.address, timeout=SOON))
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return tcp

    def quiet(self, tcp: socket.socket, asked: int, label: str, said: bytes) -> None:
        """Nobody may have been answered or asked because of what this visitor has said so far."""
        got, closed = _read(tcp, GLANCE)
        if got.startswith(b"\xff"):
            raise NotYet(FORM, f"A visitor had sent {said!r}, and got {got!r}, the beginning of a ZeroMQ greeting.")
        if label == NOTICE and got.startswith(b"HTTP/1.1 200"):
            raise NotYet(MIXED, f"A visitor who had sent nothing got {got!r}.")
        if len(self.asked) > asked or got:
            raise NotYet(label, f"A visitor had sent {said!r} and no more, and was taken for one who had asked.")
        if closed and label == PIECES:
            happened = f"A visitor had sent {said!r} and no more, and was hung up on."
            self._ended(happened)
            raise NotYet(CUT, happened)

    def visit(self, word: bytes, label: str = "") -> None:
        """Somebody asks for this word, in one piece, and is answered. `label` names a failure among others' pieces."""
        self.ask(self.visitor(), b"GET /%b HTTP/1.1\r\nHost: kitchen\r\n\r\n" % word, word, label)

    def ask(self, tcp: socket.socket, last: bytes, word: bytes, label: str = "") -> None:
        """The last piece of a good request, and what comes of it."""
        before = len(self.asked)
        self.say(tcp, last)
        got, closed = self._hears(tcp)
        asked = self.asked[before:]
        told = f"{word.decode()!r} was to be asked; the service was asked {asked!r}, and the visitor got {got!r:.90}."
        self.quiet(self.silent, len(self.asked), NOTICE, b"")
        if not got and label:
            self._ended(told)
            if label == MIXED:
                raise NotYet(OTHERS, f"{told} Your function stood {self.answer.stood()}.")
            raise NotYet(CUT if closed else label, told)
        self._answered(got, told)
        if label == MIXED and asked != [word] and word in asked:
            raise NotYet(PIECES, told)
        if not asked and got.startswith(b"HTTP/1.1 200"):
            raise NotYet(KEPT, told)
        if asked[:1] != [word]:
            raise NotYet(label or (WORD if asked else REFUSED), told)
        if len(asked) > 1:
            raise NotYet(WORD, told)
        reply = self.replies[before]
        _same(got, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(reply), reply), reply, told)
        if not closed:
            self._left(told)

    def bad(self, request: bytes) -> None:
        """A request that is to be refused."""
        before, tcp = len(self.asked), self.visitor()
        self.say(tcp, request)
        got, closed = self._hears(tcp)
        told = f"{request!r} came, and the visitor got {got!r:.90}."
        if len(self.asked) > before or got.startswith(b"HTTP/1.1 200"):
            raise NotYet(BAD, told)
        self._answered(got, told)
        _same(got, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"", told)
        if not closed:
            self._left(told)

    def end(self) -> None:
        """All have been answered: it returns."""
        [outcome] = self.answer.outcomes(SOON)
        if outcome.error:
            unexpected(outcome)
        if outcome.left_open:
            raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")

    def say(self, tcp: socket.socket, piece: bytes) -> None:
        with contextlib.suppress(OSError):  # it has hung up
            tcp.sendall(piece)

    def _hears(self, tcp: socket.socket) -> tuple[bytes, bool]:
        """All that a visitor gets until it is hung up on, and whether it is."""
        return _read(tcp, self.scene.within(SOON), lambda: self.answer.process.told)

    def _answered(self, got: bytes, told: str) -> None:
        if not got:
            self._ended(told)
            raise TookTooLong(f"{self.answer.stood()}. {told}")

    def _left(self, told: str) -> NoReturn:
        """A connection has not been closed: nobody did that, or the function has ended and left it so."""
        self.answer.until(lambda: self.answer.process.told, TOLD)
        if (outcome := self.answer.ended()) and outcome.left_open:
            raise NotYet(LEFT, "Your function had returned, and a socket of its Context was still open.")
        raise NotYet(HANGUP, told)

    def _ended(self, told: str) -> None:
        """Whether the function has ended is the better reason for silence."""
        self.answer.until(lambda: self.answer.process.told, TOLD)
        if not (outcome := self.answer.ended()):
            return
        if outcome.error in ("UnicodeDecodeError", "UnicodeEncodeError"):
            raise NotYet(TEXT, f"{told} Your function raised {outcome.error}.")
        if outcome.error:
            unexpected(outcome)
        raise NotYet(COUNTED, told)


def _read(tcp: socket.socket, seconds: float, over: Any = lambda: False) -> tuple[bytes, bool]:
    """What comes within these seconds, and whether the other side has hung up. When `over`, it may still come soon."""
    got, until, ended = b"", time.monotonic() + seconds, False
    while (left := until - time.monotonic()) > 0:
        if over() and not ended:
            ended, until = True, min(until, time.monotonic() + 0.3)
        tcp.settimeout(max(0.001, min(0.02, left)))
        try:
            if not (piece := tcp.recv(1 << 16)):
                return got, True
            got = (got + piece)[: 1 << 16]
        except TimeoutError:
            continue
        except OSError:
            return got, True
    return got, False


def _same(got: bytes, wanted: bytes, reply: bytes, told: str) -> None:
    if got != wanted:
        _differs(got, wanted, reply, told)


def _differs(got: bytes, wanted: bytes, reply: bytes, told: str) -> NoReturn:
    head, _, body = got.partition(b"\r\n\r\n")
    right = wanted.partition(b"\r\n\r\n")[0]
    if got.startswith(b"HTTP/1.1 400") and not wanted.startswith(b"HTTP/1.1 400"):
        raise NotYet(REFUSED, told)
    same_line = head.split(b"\r\n")[0] == right.split(b"\r\n")[0]
    raise NotYet(
        LENGTH if body == reply and head != right and same_line and b"Content-Length: " in head else FORM, told
    )


def whole_requests(scene: Scene) -> None:
    """requests in one piece, and visitors who say nothing"""
    words = scene.words(4)
    words.append(words[0])  # the reply to which is another one now
    with Street(scene, len(words)) as street:
        for word in words:
            street.visit(word)
        street.end()


def requests_in_pieces(scene: Scene) -> None:
    """requests in pieces, between those of others"""
    ann, bob, one, two, three, four = scene.words(6)
    with Street(scene, 6) as street:
        first, second, gone, stranger, refused = (street.visitor() for _ in range(5))
        street.say(refused, b"POST /%b HTTP/1.1\r\nHost: kit" % ann)
        street.say(first, b"GET /" + ann[:2])
        street.visit(one, MIXED)  # what came before this one has been read when this one is answered
        street.quiet(first, 1, PIECES, b"GET /" + ann[:2])
        street.say(gone, b"GET /")
        street.say(stranger, b"\xff\0\0\0\0\0\0\0\x01\x7f")  # a ZeroMQ socket that waits for the rest of a greeting
        gone.close()
        street.say(first, ann[2:] + b" HTTP/1.1\r\n")
        street.say(second, b"GET /" + bob)
        street.visit(two, MIXED)
        street.quiet(first, 2, PIECES, b"GET /" + ann + b" HTTP/1.1\r\n")
        street.quiet(stranger, 2, PIECES, b"\xff...\x7f")
        street.quiet(refused, 2, PIECES, b"POST /%b HTTP/1.1\r\nHost: kit" % ann)
        street.say(first, b"Host: kitchen\r\n\r")
        street.visit(three, MIXED)
        street.quiet(first, 3, PIECES, b"GET /" + ann + b" HTTP/1.1\r\nHost: kitchen\r\n\r")
        street.ask(first, b"\n", ann, END)
        street.ask(second, b" HTTP/1.1\r\n\r\n", bob, END)
        street.visit(four)
        street.end()


def requests_that_are_none(scene: Scene) -> None:
    """requests that are to be refused"""
    one, two, three, bad = scene.words(4)
    lines = [
        b"POST /%b HTTP/1.1" % bad,
        b"get /%b HTTP/1.1" % bad,
        b"GET %b HTTP/1.1" % bad,
        b"GET / HTTP/1.1\r\nHost: kitchen",
        b"GET /caf\xe9%b HTTP/1.1" % bad,
        b"GET /%b HTTP/1.1" % bad.capitalize(),
        b"GET /%b%d HTTP/1.1" % (bad, scene.random.randrange(10)),
        b"GET /%%%x%b HTTP/1.1" % (bad[0], bad[1:]),
        b"GET /%b/%b HTTP/1.1" % (bad, bad),
        b"GET  /%b HTTP/1.1" % bad,
        b"GET /%b HTTP/1.1 " % bad,
        b"GET /%b HTTP/1.0" % bad,
        b"GET /%b HTTP/1.1 please" % bad,
        b"GET /%b HTTP/1.1\nHost: kitchen" % bad,
        b"GET /%b HTTP/1.1\n" % bad,
        b"%b\r\nGET /%b HTTP/1.1" % (bad, bad),
        b"",
    ]
    scene.random.shuffle(lines)
    with Street(scene, 3) as street:
        for number, line in enumerate(lines):
            if number in (0, len(lines) // 2):
                street.visit(two if number else one)
            street.bad(line + b"\r\n\r\n")
        street.visit(three)
        street.end()


TRY = whole_requests
SCENES = (whole_requests, requests_in_pieces, requests_that_are_none)
