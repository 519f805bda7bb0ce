# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

from collections import deque

import zmq


def broker(ctx, frontend, backend):
    """Bind a ROUTER at each endpoint and share out requests among workers with several places each, for ever.

    frontend  clients connect a REQ or a DEALER here; on their side of the cable a request is
              [""][body, 1 frame or more], and so is a reply
    backend   workers connect a REQ or a DEALER here; on their side of the cable they
              say  [""]["READY"][places]   how many requests they take at a time, 1 to 99 in decimal digits, with
                   no sign, space or leading 0; [""]["READY"] alone means 1. Who says it again has from then on
                   so many places in all, those that are taken included
              get  [""][client][""][body]  a request, `client` being the routing id that your ROUTER gave
              say  [""][client][""][body]  the reply, in any order; it frees one place

    A request goes to a worker with a free place: to the one that has the fewest requests in its hands, and of
    several that have equally few to the one whose last request was given to it longest ago (who has had none
    comes before them, in the order of the first READY). While no place is free, no request is read, none is lost,
    and your broker sleeps. A reply is passed on only if its worker has a request of that client in its hands; it is
    dropped if the client has gone. Any other message that has not one of these forms is dropped, too, and changes
    nothing. What a worker has in its hands when it goes is lost.
    It ends when its Context does: let zmq.ContextTerminated through.
    """
    ready = deque()
    with ctx.socket(zmq.ROUTER) as front, ctx.socket(zmq.ROUTER) as back:
        front.bind(frontend)
        back.bind(backend)
        poller = zmq.Poller()
        poller.register(back, zmq.POLLIN)
        while True:
            poller.register(front, zmq.POLLIN if ready else 0)
            heard = dict(poller.poll())
            if back in heard:
                match back.recv_multipart():
                    case [worker, b"", b"READY", *_]:
                        ready.append(worker)
                    case [worker, b"", _, b"", _, *_] as message:
                        ready.append(worker)
                        front.send_multipart(message[2:])
            elif front in heard:
                match front.recv_multipart():
                    case [_, b"", _, *_] as message:
                        back.send_multipart([ready.popleft(), b"", *message])
