# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: as it is given.

import zmq


async def ask_all(ctx, endpoints, question, seconds, watcher):
    """Ask several servers at once; return who has answered in time, and what.

    ctx        a zmq.asyncio.Context: open your sockets in it
    endpoints  of the servers, one or more, all different. Each server is a REP; connect to it
    question   bytes: send it to every server, once, as one frame
    seconds    the time for all of it, counted from the call
    watcher    connect a PUSH to it

    Do not wait for one server before you ask the next. Return as soon as all have answered, or when the
    time is over; it may end up to 0.3 s late, and not early. The result is a list of pairs of an endpoint
    and its answer, in the order of `endpoints`. An answer is bytes, and may be empty. Whoever has not
    answered in time is left out; that is no error, even if it is everybody. A server may be missing: then
    nobody listens at its endpoint.

    You share the loop with others, and the watcher shows whether they have their turn: as long as your
    coroutine runs, send b"alive" to it every 0.05 s or so. Once you have returned it hears
    nothing more. Leave nothing behind: no task that goes on, no open socket, and no question that a socket
    would still deliver. Your function is called several times on one loop, and on `ctx` set no option.
    """
    answers = []
    with ctx.socket(zmq.PUSH) as signs:
        signs.connect(watcher)
        for endpoint in endpoints:
            await signs.send(b"alive")
            with ctx.socket(zmq.REQ, socket_class=zmq.Socket) as socket:
                socket.linger = 0
                socket.rcvtimeo = int(seconds * 1000)
                socket.connect(endpoint)
                socket.send(question)
                answers.append((endpoint, socket.recv()))
    return answers
