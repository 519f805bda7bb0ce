# SPDX-License-Identifier: BSD-3-Clause
# Not yet: somebody who takes connections was held to be gone.

import math
import time

import zmq
from zmq.utils.monitor import recv_monitor_message


class Patient:
    def __init__(self, ctx, endpoint, topic):
        self.topic, self.stood, self.now, self.came, self.closed = topic, False, "nobody", "silent", False
        self.sub = ctx.socket(zmq.SUB)
        self.sub.rcvhwm = 0
        self.sub.heartbeat_ivl, self.sub.heartbeat_timeout = 100, 200
        self.sub.subscribe(b"")
        self.monitor = self.sub.get_monitor_socket()
        self.sub.connect(endpoint)

    def event(self):
        event = recv_monitor_message(self.monitor)["event"]
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.stood, self.now, self.closed = True, "stands", False
        elif event == zmq.EVENT_DISCONNECTED:
            self.now = "gone" if self.stood else "refused"
        elif event == zmq.EVENT_CONNECTED and self.now != "refused":
            if self.now != "gone" or not self.closed:
                self.now = "frozen" if self.stood else "mute"
        elif event == zmq.EVENT_CLOSED:
            self.closed = True

    def message(self):
        if self.sub.recv_multipart()[0].startswith(self.topic):
            self.came = "well"
        elif self.came == "silent":
            self.came = "other"

    def name(self):
        return self.came if self.came == "well" or self.now == "stands" else self.now

    def close(self):
        self.sub.disable_monitor()
        self.monitor.close()
        self.sub.close()


def diagnose(ctx, endpoints, topic, seconds):
    until = time.monotonic() + seconds
    patients = [Patient(ctx, endpoint, topic) for endpoint in endpoints]
    poller, act = zmq.Poller(), {}
    for patient in patients:
        act[patient.sub], act[patient.monitor] = patient.message, patient.event
    for socket in act:
        poller.register(socket, zmq.POLLIN)
    while (left := until - time.monotonic()) > 0:
        for socket, _ in poller.poll(math.ceil(left * 1000)):
            act[socket]()
    for patient in patients:
        patient.close()
    return [patient.name() for patient in patients]
