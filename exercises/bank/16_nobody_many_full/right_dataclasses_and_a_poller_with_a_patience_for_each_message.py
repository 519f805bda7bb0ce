# SPDX-License-Identifier: BSD-3-Clause
# Passed: dataclasses and a poller, with a patience for each message.

import time
from dataclasses import dataclass, field

import zmq


@dataclass
class Road:
    socket: zmq.Socket
    rest: list[bytes]
    end: float = field(default=0.0)


def hand_out(ctx, messages, endpoints, room, patience):
    roads: list[Road] = []
    try:
        for endpoint in endpoints:
            socket = ctx.socket(zmq.PUSH)
            roads.append(Road(socket, list(messages)))
            socket.setsockopt(zmq.IMMEDIATE, 1)
            socket.setsockopt(zmq.SNDHWM, room)
            socket.setsockopt(zmq.RECONNECT_IVL, 20)
            socket.connect(endpoint)
        start = time.monotonic()
        for road in roads:
            road.end = start + patience
        active = [road for road in roads if road.rest]
        while active:
            poller = zmq.Poller()
            for road in active:
                poller.register(road.socket, zmq.POLLOUT)
            soonest = min(road.end for road in active)
            ready = dict(poller.poll(max(0, (soonest - time.monotonic()) * 1000 + 1)))
            for road in active:
                if road.socket in ready:
                    try:
                        road.socket.send(road.rest[0], zmq.DONTWAIT)
                    except zmq.Again:
                        continue
                    del road.rest[0]
                    road.end = time.monotonic() + patience
            now = time.monotonic()
            active = [road for road in active if road.rest and road.end > now]
    finally:
        for road in roads:
            road.socket.close()
    return [road.rest for road in roads]
