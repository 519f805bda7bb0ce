# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import zmq


def ask(ctx, endpoint, question, deadline, tries):
    """Return the answer to `question`, or raise TimeoutError.

    endpoint  where a server is bound: a REP
    question  bytes
    deadline  seconds for all tries together
    tries     how often to ask at most

    Send two frames, [number][question]. The number is 1 to 32 bytes of your choice. The server carries out each
    number once; if it hears the same number again, it repeats the answer it gave then. It replies [number][answer].
    Return the answer, as bytes. Every call is another question, also if it is worded like one before, and other
    programs ask the same server. Leave no socket open, and no question behind: whatever has not left when you give
    up must not leave afterwards.
    """
    with ctx.socket(zmq.REQ) as socket:
        socket.connect(endpoint)
        socket.send_multipart([b"1", question])
        number, answer = socket.recv_multipart()
        return answer
