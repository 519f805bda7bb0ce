# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a pause took the place of the subscriptions.

import time

import zmq


def publish(ctx, messages, endpoint, subscribers):
    with ctx.socket(zmq.PUB) as pub:
        pub.bind(endpoint)
        time.sleep(1.8)
        for message in messages:
            pub.send_multipart(message)
