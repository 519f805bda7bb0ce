# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a connected reader was taken for one that had subscribed.

import zmq
from zmq.utils.monitor import recv_monitor_message


def desk(ctx, reports, news, sections, count):
    with ctx.socket(zmq.PULL) as pull, ctx.socket(zmq.PUB) as pub:
        pub.linger = -1
        pub.sndhwm = 0
        pull.bind(reports)
        with pub.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED) as monitor:
            pub.bind(news)
            for _ in sections:
                recv_monitor_message(monitor)
            pub.disable_monitor()
        for number in range(1, count + 1):
            section, *rest = pull.recv_multipart()
            pub.send_multipart([section, b"%d" % number, *rest])
