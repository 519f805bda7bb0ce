# SPDX-License-Identifier: BSD-3-Clause
# Not yet: one subscription was welcomed more than once.

import uuid

import zmq

from patterns.jupyter_messages import answers, endpoint, made, pack, unpack


def kernel(ctx, connection):
    key, session, number = connection["key"].encode(), uuid.uuid4().hex, 0
    with ctx.socket(zmq.ROUTER) as shell, ctx.socket(zmq.XPUB) as iopub:
        iopub.xpub_verbose = True
        shell.bind(endpoint(connection, "shell"))
        iopub.bind(endpoint(connection, "iopub"))
        while True:
            for socket in zmq.select([iopub, shell], [], [])[0]:
                frames = socket.recv_multipart()
                if socket is iopub and frames[0][:1] == b"\x01":
                    topic = frames[0][1:]
                    try:
                        content = {"subscription": topic.decode()}
                    except UnicodeDecodeError:
                        continue
                    iopub.send_multipart(pack(made("iopub_welcome", content, session, ids=[topic]), key))
                    iopub.send_multipart(pack(made("iopub_welcome", content, session), key))
                elif socket is shell and (request := unpack(frames, key)):
                    number += request.kind == "execute_request"
                    for channel, message in answers(request, session, str.upper, number):
                        (iopub if channel == "iopub" else shell).send_multipart(pack(message, key))
