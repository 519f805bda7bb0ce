# SPDX-License-Identifier: BSD-3-Clause
# Passed: a poller that changes what it waits for.

import zmq


class NewsDesk:
    def __init__(self, pull, pub, sections):
        self.pull, self.pub = pull, pub
        self.readers = dict.fromkeys(sections, 0)
        self.poller = zmq.Poller()
        self.poller.register(pub, zmq.POLLIN)

    def open(self):
        while not all(self.readers.values()):
            self.poller.poll()
            event = self.pub.recv(copy=False).bytes
            match event[:1], event[1:]:
                case b"\x01", section if section in self.readers:
                    self.readers[section] += 1
        self.poller.unregister(self.pub)
        self.poller.register(self.pull, zmq.POLLIN)

    def pass_on(self, number):
        self.poller.poll()
        section, *rest = self.pull.recv_multipart(copy=False)
        self.pub.send(section, zmq.SNDMORE, copy=False)
        self.pub.send(f"{number}".encode(), zmq.SNDMORE)
        self.pub.send_multipart(rest, copy=False)


def desk(ctx: zmq.Context, reports: str, news: str, sections: list[bytes], count: int) -> None:
    pub, pull = ctx.socket(zmq.XPUB), ctx.socket(zmq.PULL)
    try:
        pub.setsockopt(zmq.XPUB_VERBOSE, 1)
        pub.bind(news)
        pull.bind(reports)
        it = NewsDesk(pull, pub, sections)
        it.open()
        for number in range(count):
            it.pass_on(number + 1)
    finally:
        pull.close()
        pub.close()
