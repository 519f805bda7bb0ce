# SPDX-License-Identifier: BSD-3-Clause
# Not attempted: what the learner starts from.

from patterns.majordomo import Broker
from patterns.shell import serve


class StrictBroker(Broker):
    def __init__(self, endpoint, interval, limit):
        super().__init__(endpoint, interval)
        self.limit = limit


def broker(ctx, endpoint, interval, limit):
    """Bind a ROUTER at `endpoint` and hand requests to workers in MDP 0.1, for ever.

    interval  seconds in which each worker hears something, if only HEARTBEAT; one that says nothing for five of
              them is gone
    limit     seconds that a worker has for a job, from the moment at which it was sent to it

    A worker whose limit is over has lost its job, whether it heartbeats or not. It is sent DISCONNECT, without
    waiting for the next heartbeat to be due, and is forgotten. Its job goes to another worker of the service, before
    all requests that wait; until there is one, it waits as they do. A reply that comes after that is passed on to
    nobody, and the answer to it is DISCONNECT. A worker that is gone is forgotten, too, and its job goes the same way.
    Limits are for jobs: a worker without one is not hung up on, and a request waits for a worker for longer than the
    limit, for a minute at least. Nothing else that a peer may do wrong matters here.

    Frames, behind the routing id that a ROUTER sees. A client, both ways: [""]["MDPC01"][service][body, 1 or more].
    A worker: [""]["MDPW01"] and [1 READY][service], [2 REQUEST][client][""][body], [3 REPLY][client][""][body],
    [4 HEARTBEAT], [5 DISCONNECT], the number being one byte. A worker has one job at a time.
    It ends when its Context does: let zmq.ContextTerminated through.
    """
    serve(ctx, StrictBroker(endpoint, interval, limit))
