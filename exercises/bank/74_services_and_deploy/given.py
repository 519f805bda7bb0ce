# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def desk(ctx, places):
    """Hear readings, tell them on, and answer questions, for ever. Nobody whom it does not concern may notice you.

    places  the list of the whole observatory, a tuple (name, binds, connects, endpoint) for each line, in any order.
            `binds` and `connects` name programs. You are "desk": where `binds` is "desk", you bind; where another one
            binds and `connects` is "desk" or "anybody", you connect. All other lines are the business of others. Each
            of these three names is on one line of yours at least, and may be on several, and no other name is;
            serve all of them:
              "readings"   sensors, each with a PUB
              "news"       programs that want to know, each with a SUB
              "questions"  clients, each with a REQ

    A reading is a message of two frames, [place][degrees]; either may be any bytes. Publish it as news, as it came.
    What comes from a sensor and has not two frames counts as nothing.

    A question of one frame, [place], is from a client of the old kind; the reply is [degrees], the last reading of
    that place, or one empty frame if there was none. A question of two frames of which the first is b"2", [2][place],
    is from a new client; the reply is [2][degrees][count], where count is how many readings of that place have come,
    in decimal digits: b"0", with empty degrees, if there was none. Every other question is answered with [?].

    Nobody waits for somebody else: questions are answered while the sensors are silent, and readings are told on while
    nobody asks.
    """
    last = {}
    endpoints = {name: endpoint for name, _, _, endpoint in places}
    with ctx.socket(zmq.SUB) as readings, ctx.socket(zmq.PUB) as news, ctx.socket(zmq.REP) as questions:
        readings.subscribe(b"")
        readings.connect(endpoints["readings"])
        news.bind(endpoints["news"])
        questions.bind(endpoints["questions"])
        while True:
            ready, _, _ = zmq.select([readings, questions], [], [])
            if readings in ready:
                place, degrees = readings.recv_multipart()
                last[place] = degrees
                news.send_multipart([place, degrees])
            if questions in ready:
                questions.send(last.get(questions.recv(), b""))
