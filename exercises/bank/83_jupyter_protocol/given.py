# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

import uuid

import zmq

from patterns.jupyter_messages import answers, endpoint, made, pack, unpack


def kernel(ctx, connection):
    """A Jupyter kernel that executes any text by making it capitals, for several front ends.

    connection  what a connection file holds: transport, ip, ports and key. Bind at what `endpoint` makes of
                it for "shell" and for "iopub"; the other channels are somebody else's

    To every execute_request and kernel_info_request at shell that is signed with the key it sends the
    messages of `answers(request, session, str.upper, number)`, in their order: outputs to all by iopub, the
    reply by shell to whoever asked. `number` counts the execute_requests, from 1. What is no signed
    message is dropped. No other requests come.

    New is this. A front end connects a SUB to iopub and subscribes, to everything or to one topic, and asks
    nothing before it is welcome. For each subscription of each front end the kernel publishes, at once and
    whether anybody asks anything or not, a message "iopub_welcome": signed, with the topic that was
    subscribed to in front (a frame; if that is empty, the frame may be left out), no parent, and the
    content {"subscription": topic as text}. Several may subscribe to the same. A topic that is not UTF-8
    is not welcomed, nor is a subscription that is cancelled, and nothing else is published. Nothing that
    comes ends the kernel: it runs until it is stopped from outside.
    """
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
