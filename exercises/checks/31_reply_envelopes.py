# SPDX-License-Identifier: BSD-3-Clause
"""Pass requests of any depth to the services, and answer pings yourself."""

from collections.abc import Sequence
from typing import NoReturn

from exercises.peers import ENDLESS, UNBOUND, Frames, Peer, Table
from exercises.scene import NotYet, Scene

ENTRY = "broker"

HINTS = (
    "Write down the frames that your ROUTER receives from a client next door, and those from a client behind another "
    "broker. Where does the envelope end, and which of its frames does the reply need?",
    "Cut each request in two: everything up to and including the first empty frame, and everything after it. Compare "
    "the second part as a whole, and give the first part back as it is.",
    "`index` tells where something first occurs in a list, and raises ValueError if it does not occur. Parts of a list "
    "are `frames[:end]` and `frames[end:]`, and two lists can be compared with `==`.",
)
VARIANT = 'answer b"COUNT" as well: with the number of requests whose replies are still to come.'
LIMIT = "while no service is there, a request for one holds up your broker, and the pings behind it."
WHY = "which line of yours would have to change for a client behind four brokers?"

WITHOUT_PONG = "the pong went back without its delimiter"
WITHOUT_REPLY = "a reply went back without its delimiter"
WITHOUT_REQUEST = "a request reached the service without its delimiter"
PASSED_ON = "the ping went to a service"
REPLY_AS_PING = "a reply was taken for a ping"
WRONG_SOCKET = "the pong went out of the wrong socket"
HOLDS_PING = "a request that only holds PING was taken for a ping"
LAST_EMPTY = "the envelope was taken to end at the last empty frame"
DIRECT = "every client was taken for a direct one"
ONE_FRAME = "only one frame of the body was passed on"
EMPTIES = "the empty frames of a body were lost"
APART = "a message was taken apart into its frames"
ORDERLY = "a request waited for the reply to another"
WAITED = "it waited for one reply before it read on"
OTHER = "a reply went to another client"
NO_PONG = "no ping was answered while no service was there"
DROPPED = "a request that came while no service was there was lost"
BARE_ENDED = "a message without a delimiter ended the broker"
BARE = "a message without a delimiter was taken for a request"
GONE_ENDED = "a reply to a client that has gone ended the broker"
CONNECTED = "it connected where it had to bind"

LABELS = {
    WITHOUT_PONG: "what does a REQ look for at the beginning of a reply?",
    WITHOUT_REPLY: "what does a REQ look for at the beginning of a reply?",
    WITHOUT_REQUEST: "how does a REP know where the body begins?",
    PASSED_ON: "who looks at the body of a request before it is passed on?",
    REPLY_AS_PING: "in which direction do pings travel?",
    WRONG_SOCKET: "which of the two sockets knows the way to the client?",
    HOLDS_PING: "which frames make up the whole body of a ping?",
    LAST_EMPTY: "who else may put an empty frame into a message?",
    DIRECT: "how many ids are in front when there is another broker in between?",
    ONE_FRAME: "how many frames can a body have?",
    EMPTIES: "which of the empty frames is the delimiter, and what are the others?",
    APART: "which call receives a message with all its frames?",
    ORDERLY: "what does the second service do in the meantime?",
    WAITED: "what else may arrive while a service is busy?",
    OTHER: "which part of a reply says whose it is?",
    NO_PONG: "on which socket do pings come, and when do you look at it?",
    DROPPED: "what becomes of a request that no service can take yet?",
    BARE_ENDED: "what does your search do when it finds nothing?",
    BARE: "what does the contract say of a message without an empty frame?",
    GONE_ENDED: "what does a ROUTER do with a message to nobody, and what have you told it to do?",
    CONNECTED: "who listens at the endpoint when both sides connect?",
    UNBOUND: "who stays where it is, the broker or the others?",
    ENDLESS: "which exceptions does your `except` catch, besides the one you mean?",
}

PING, PONG = b"PING", b"PONG"
GONE = 6  # replies to a client that has gone


class Post(Table):
    """A broker under trial, its clients, and a service.

    only  what everything that goes wrong can only come from, if that is known
    """

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene, "frontend", "backend")
        self.only = self.ended = ""
        self.service: Peer | None = None
        self.clients: list[Peer] = []

    def serves(self) -> Peer:
        self.service = self.seat("service", "backend")
        return self.service

    def client(self, name: str) -> Peer:
        self.clients.append(self.seat(name, "frontend"))
        return self.clients[-1]

    def around(self, client: Peer) -> list[Peer]:
        """This client, and everybody else."""
        return [client, *filter(None, [self.service]), *(other for other in self.clients if other is not client)]

    def alive(self) -> None:
        if event := self.scene.joined("connect", *self.ends.values()):
            happened = "Your broker and its peers connected to the same endpoint, and nobody listened there."
            raise NotYet(CONNECTED, happened, event)
        outcome = self.answer.ended()
        if outcome and outcome.error and self.ended:
            happened = f"Your broker ended: {outcome.error} {outcome.message}".rstrip()
            self.blame(self.ended, happened, self.service)
        super().alive()

    def missing(self, happened: str, label: str, peer: Peer | None = None) -> NoReturn:
        """Nothing came. `label` is for that, where it can have one reason only."""
        self.alive()
        if self.only or label:
            self.blame(self.only or label, happened, peer)
        self.silent(f"{happened.rstrip('.')}, which")

    def ping(self, client: Peer, *ids: bytes, label: str = "") -> None:
        """A client asks whether the broker is there."""
        client.raw(*ids, b"", PING)
        heard, frames = self.first(self.around(client))
        sent = f"{client.title} sent {_words([*ids, b'', PING])}"
        if heard is self.service:
            label = WRONG_SOCKET if PONG in frames else PASSED_ON
            self.blame(self.only or label, f"{sent}; the service got {_words(frames)}.", heard)
        if heard is not client:
            self.blame(self.only or OTHER, f"{sent}; {heard.title} got {_words(frames)}.", heard)
        if frames == [*ids, b"", PONG]:
            return
        if not frames:
            self.missing(f"{sent} and heard nothing.", label, client)
        happened = f"{sent} and got {_words(frames)} where {_words([*ids, b'', PONG])} was due."
        self.blame(self.only or (WITHOUT_PONG if frames == [*ids, PONG] else ""), happened, client)

    def request(self, client: Peer, *body: bytes, ids: Sequence[bytes] = (), reply: Sequence[bytes] = ()) -> None:
        """A client asks, the service replies in capitals, or this, and the client hears that."""
        client.raw(*ids, b"", *body)
        envelope = self.reaches(client, *body, ids=ids)
        self.replies(client, envelope, *(reply or map(bytes.upper, body)), ids=ids)

    def reaches(self, client: Peer, *body: bytes, ids: Sequence[bytes] = (), label: str = "") -> Frames:
        """The service gets this request now. `label` is for nothing. Its envelope, which a service gives back as it is:
        what stands in it is the broker's own business."""
        heard, frames = self.first([self.service, client])
        wanted = [client.name, *ids, b"", *body]
        sent = f"{client.title} sent {_words(wanted[1:])}"
        if not frames:
            self.alive()
            if not label:
                client.raw(*ids, b"", b"again")
                if self.service.hears()[-1:] == [b"again"]:
                    happened = (
                        f"{sent} before the service was there, which got only what {client.title} sent after that."
                    )
                    self.blame(DROPPED, happened, client)
            self.missing(f"{sent} and no service got it.", label, client)
        if heard is client:
            label = LAST_EMPTY if body[-2:] == (b"", PING) and body[0] else HOLDS_PING
            self.blame(self.only or (label if PONG in frames else ""), f"{sent} and got {_words(frames)}.", client)
        end = frames.index(b"") + 1 if b"" in frames else 0
        if not end or frames[end:] != [*body]:
            self.differs(self.service, frames, wanted, sent, WITHOUT_REQUEST)
        return frames[:end]

    def replies(self, client: Peer, envelope: Frames, *body: bytes, ids: Sequence[bytes] = ()) -> None:
        """The service replies, and the client hears that now."""
        self.service.raw(*envelope, *body)
        heard, frames = self.first(self.around(client))
        wanted = [*ids, b"", *body]
        if heard is client and frames == wanted:
            return
        sent = f"The service sent {_words([*envelope, *body])}, the reply to {client.title}"
        if not frames:
            self.missing(f"{sent}, and {client.title} heard nothing.", "", client)
        if PONG in frames:
            self.blame(self.only or REPLY_AS_PING, f"{sent}; {heard.title} got {_words(frames)}.", heard)
        if heard not in (client, self.service):
            self.blame(self.only or OTHER, f"{sent}; {heard.title} got {_words(frames)}.", heard)
        self.differs(heard, frames, wanted, sent, WITHOUT_REPLY)

    def differs(self, peer: Peer, frames: Frames, wanted: Frames, sent: str, without: str) -> NoReturn:
        """A message has come that is not as it should be."""
        happened = f"{sent}; {peer.title} got {_words(frames)} where {_words(wanted)} was due."
        end = wanted.index(b"")
        envelope, body = wanted[: end + 1], wanted[end + 1 :]
        label = ""
        if len(frames) == 1 and frames[0] in envelope:
            label = APART
        elif frames == [*envelope, *filter(None, body)]:
            label = EMPTIES
        elif b"" not in frames[: end + 1]:
            label = without
        elif len(frames) == len(envelope) + 1 < len(wanted) and frames[-1] in body:
            label = ONE_FRAME
        self.blame(self.only or label, happened, peer)


def _words(frames: Sequence[bytes]) -> str:
    return "".join(f"[{f.decode(errors='backslashreplace')}]" for f in frames)


def alone(scene: Scene) -> None:
    """a request and a ping"""
    with Post(scene) as post:
        service, ann, bob = post.serves(), post.client("client A"), post.client("client B")
        ann.raw(b"", b"tea")
        if frames := service.hears():
            service.raw(*frames[:-1], b"TEA")
            ann.hears()
        bob.raw(b"", PING)
        bob.hears()


def neighbours(scene: Scene) -> None:
    """pings and requests of many forms"""
    with Post(scene) as post:
        post.serves()
        tea, milk, note = scene.words(3)
        ann = post.client("client A")
        post.request(ann, tea)
        post.ping(post.client("client B"))
        post.request(ann, milk, b"", tea, b"")
        post.request(ann, note, PING)
        post.request(ann, PING, note)
        post.request(ann, note, b"", PING, reply=[note, b"", tea])
        post.request(ann, b"", PING, reply=[b"", tea])
        for body in [PING, PING], [PING, b""], [PING + b"!"]:
            post.request(ann, *body, reply=[tea])
        post.request(ann, b"ping", reply=[PING])
        post.ping(ann)


def through_brokers(scene: Scene) -> None:
    """clients behind one, two and three other brokers"""
    with Post(scene) as post:
        post.serves()
        tea, milk, *ids = scene.words(5)
        post.request(post.client("client A"), tea)
        post.only = DIRECT  # depth is all that is new from here on
        for depth in 1, 2, 3:
            broker = post.client(f"broker {depth}")
            post.request(broker, tea, b"", milk, ids=ids[:depth])
            post.ping(broker, *ids[:depth])


def services_at_work(scene: Scene) -> None:
    """a time without services and a slow one"""
    with Post(scene) as post:
        slow, quick = scene.words(2)
        ann, bob, cleo, dan = (post.client(f"client {name}") for name in "ABCD")
        post.ping(ann, label=NO_PONG)
        bob.raw(b"", slow)
        bob.glance()
        post.serves()
        first = post.reaches(bob, slow)
        post.ping(cleo, label=WAITED)
        dan.raw(b"", quick)
        second = post.reaches(dan, quick, label=ORDERLY)
        post.replies(dan, second, quick)
        post.replies(bob, first, slow)


def strangers_and_the_end(scene: Scene) -> None:
    """messages without a delimiter, a client that has gone and the end of its Context"""
    with Post(scene) as post:
        service, ann, bob, stranger = (
            post.serves(),
            post.client("client A"),
            post.client("client B"),
            post.client("client S"),
        )
        tea, milk, hot = scene.words(3)
        post.request(ann, tea)
        post.ended = BARE_ENDED
        for odd in [tea], [PING], [b"ann", PING], [b"", milk]:
            stranger.raw(*odd)
        sent = f"A stranger sent [{tea.decode()}], [PING] and [ann][PING], all without a delimiter, and then "
        sent += f"{_words([b'', milk])}."
        heard, frames = post.first([service, stranger])
        if not frames:
            post.missing(f"{sent} The service got nothing.", "", stranger)
        if heard is stranger or frames[-2:] != [b"", milk]:
            post.blame(BARE, f"{sent} {heard.title} got {_words(frames)}.", heard)
        post.replies(stranger, frames[:-1], hot)
        envelopes = []
        for _ in range(GONE):
            bob.raw(b"", milk)
            envelopes.append(post.reaches(bob, milk))
        bob.socket.close(0)
        post.ended = GONE_ENDED
        post.clients.remove(bob)
        for envelope in envelopes:  # the first may come before the broker can know
            service.raw(*envelope, hot)
            post.request(ann, tea)
        post.end()


TRY = alone
SCENES = (neighbours, through_brokers, services_at_work, strangers_and_the_end)
