# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a request waited for a subscription.

import uuid

import zmq

from patterns.jupyter_messages import answers, endpoint, made, pack, unpack


def kernel(ctx, connection):
    key, session, number = connection["key"].encode(), uuid.uuid4().hex, 0
    with ctx.socket(zmq.ROUTER) as shell, ctx.socket(zmq.XPUB) as iopub:
        iopub.xpub_verbose = 1
        shell.bind(endpoint(connection, "shell"))
        iopub.bind(endpoint(connection, "iopub"))
        while True:
            said = iopub.recv()
            if said[0] == 1:
                try:
                    welcome = made("iopub_welcome", {"subscription": said[1:].decode()}, session, ids=[said[1:]])
                except UnicodeDecodeError:
                    continue
                iopub.send_multipart(pack(welcome, key))
            request = unpack(shell.recv_multipart(), key)
            if request is not None:
                number += request.kind == "execute_request"
                for channel, message in answers(request, session, str.upper, number):
                    (iopub if channel == "iopub" else shell).send_multipart(pack(message, key))
