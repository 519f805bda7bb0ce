# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a command was answered in other words.
# The built-in proxy, which answers with an empty frame.

import zmq


def forwarder(ctx, publishers, subscribers, control):
    with ctx.socket(zmq.XSUB) as front, ctx.socket(zmq.XPUB) as back, ctx.socket(zmq.REP) as rep:
        front.rcvhwm = back.sndhwm = 0
        front.bind(publishers)
        back.bind(subscribers)
        rep.bind(control)
        zmq.proxy_steerable(front, back, None, rep)
