# SPDX-License-Identifier: BSD-3-Clause
# Passed: asyncio and a table of states.

import asyncio
from dataclasses import dataclass, field

import zmq
import zmq.asyncio
from zmq.utils.monitor import parse_monitor_message

NEXT = {
    ("never", "CONNECTED"): "mute",
    ("mute", "HANDSHAKE_SUCCEEDED"): "stands",
    ("mute", "DISCONNECTED"): "refused",
    ("refused", "HANDSHAKE_SUCCEEDED"): "stands",
    ("stands", "DISCONNECTED"): "gone",
    ("gone", "CONNECTED"): "frozen",
    ("frozen", "HANDSHAKE_SUCCEEDED"): "stands",
    ("frozen", "DISCONNECTED"): "gone",
}


@dataclass
class Seen:
    state: str = "never"
    heard: set = field(default_factory=set)

    async def events(self, monitor):
        while True:
            event = parse_monitor_message(await monitor.recv_multipart())["event"].name
            self.state = NEXT.get((self.state, event), self.state)

    async def messages(self, sub, topic):
        while True:
            frames = await sub.recv_multipart()
            self.heard.add(frames[0][: len(topic)] == topic)


async def look(ctx, endpoint, topic, seconds):
    seen = Seen()
    with ctx.socket(zmq.SUB) as sub:
        sub.rcvhwm, sub.heartbeat_ivl, sub.heartbeat_timeout = 0, 100, 250
        sub.subscribe("")
        monitor = sub.get_monitor_socket()
        sub.connect(endpoint)
        work = [asyncio.ensure_future(seen.events(monitor)), asyncio.ensure_future(seen.messages(sub, topic))]
        await asyncio.sleep(seconds)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        sub.disable_monitor()
        monitor.close(0)
    if True in seen.heard:
        return "well"
    if seen.state == "stands":
        return "other" if seen.heard else "silent"
    return "nobody" if seen.state == "never" else seen.state


def diagnose(ctx, endpoints, topic, seconds):
    async def main():
        mine = zmq.asyncio.Context(ctx)
        return list(await asyncio.gather(*(look(mine, e, topic, seconds) for e in endpoints)))

    return asyncio.run(main())
