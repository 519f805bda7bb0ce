# SPDX-License-Identifier: BSD-3-Clause
# Not yet: any frame was taken for one of the topic.

import math
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

FAILED = (zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL, zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_FAILED_AUTH)


class Patient:
    def __init__(self, ctx, endpoint, topic):
        self.topic, self.came, self.stood, self.failed = topic, "silent", False, False
        self.now = "nobody"
        self.sub = ctx.socket(zmq.SUB)
        self.sub.rcvhwm = 0
        self.sub.heartbeat_ivl, self.sub.heartbeat_timeout = 100, 200
        self.sub.subscribe(b"")
        self.monitor = self.sub.get_monitor_socket()
        self.sub.connect(endpoint)

    def event(self):
        event = recv_monitor_message(self.monitor)["event"]
        if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self.stood, self.now = True, "stands"
        elif event == zmq.EVENT_CONNECTED:
            self.now = "frozen" if self.stood else "mute"
        elif event == zmq.EVENT_DISCONNECTED:
            self.failed = self.failed or not self.stood
            self.now = "gone"
        elif event == zmq.EVENT_CLOSED:
            self.now = "gone" if self.stood else "nobody"
        elif event in FAILED:
            self.failed = True

    def message(self):
        if self.topic in self.sub.recv_multipart()[0]:
            self.came = "well"
        elif self.came == "silent":
            self.came = "other"

    def name(self):
        if self.came == "well":
            return "well"
        if self.now == "stands":
            return self.came
        return "refused" if self.failed and not self.stood else self.now

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
