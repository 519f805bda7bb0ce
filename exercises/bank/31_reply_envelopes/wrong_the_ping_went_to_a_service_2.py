# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the ping went to a service.

import zmq


def broker(ctx, frontend, backend):
    with ctx.socket(zmq.ROUTER) as clients, ctx.socket(zmq.DEALER) as services:
        clients.bind(frontend)
        services.bind(backend)
        zmq.proxy(clients, services)
