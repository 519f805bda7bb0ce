# SPDX-License-Identifier: BSD-3-Clause
# Not yet: nobody was welcomed.

import uuid

import zmq

from patterns.jupyter_messages import answers, endpoint, made, pack, unpack


def kernel(ctx, connection):
    key, session, number = connection["key"].encode(), uuid.uuid4().hex, 0
    with ctx.socket(zmq.ROUTER) as shell, ctx.socket(zmq.PUB) as iopub:
        shell.bind(endpoint(connection, "shell"))
        iopub.bind(endpoint(connection, "iopub"))
        while True:
            request = unpack(shell.recv_multipart(), key)
            if request is None:
                continue
            number += request.kind == "execute_request"
            for channel, message in answers(request, session, str.upper, number):
                (iopub if channel == "iopub" else shell).send_multipart(pack(message, key))
