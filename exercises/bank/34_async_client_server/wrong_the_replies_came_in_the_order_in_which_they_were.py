# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the replies came in the order in which they were ready.

from patterns.async_client_server import Server


def server(ctx, endpoint, silence, plan, shell):
    shell(ctx, Server(endpoint, silence, plan))
