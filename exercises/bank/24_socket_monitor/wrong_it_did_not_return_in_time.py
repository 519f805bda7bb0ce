# SPDX-License-Identifier: BSD-3-Clause
# Not yet: it did not return in time.

import time

import zmq
from zmq.utils.monitor import recv_monitor_message


def look(ctx, endpoint, topic, until):
    story, heard = [], []
    with ctx.socket(zmq.SUB) as sub:
        sub.setsockopt(zmq.RCVHWM, 0)
        sub.setsockopt(zmq.HEARTBEAT_IVL, 80)
        sub.setsockopt(zmq.HEARTBEAT_TIMEOUT, 240)
        sub.setsockopt(zmq.SUBSCRIBE, b"")
        monitor = sub.get_monitor_socket()
        sub.connect(endpoint)
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = zmq.select([sub, monitor], [], [], left)
            if monitor in ready:
                story.append(recv_monitor_message(monitor)["event"].name)
            if sub in ready:
                heard.append(sub.recv_multipart()[0])
        sub.disable_monitor()
        monitor.close()
    if any(frame.startswith(topic) for frame in heard):
        return "well"
    told = [e for e in story if e in ("CONNECTED", "HANDSHAKE_SUCCEEDED", "DISCONNECTED", "CLOSED")]
    last = told[-1] if told else ""
    if "HANDSHAKE_SUCCEEDED" in told:
        if last == "HANDSHAKE_SUCCEEDED":
            return "other" if heard else "silent"
        return "frozen" if last == "CONNECTED" else "gone"
    if "DISCONNECTED" in told:
        return "refused"
    return "mute" if last == "CONNECTED" else "nobody"


def diagnose(ctx, endpoints, topic, seconds):
    return [look(ctx, e, topic, time.monotonic() + seconds) for e in endpoints]
