# SPDX-License-Identifier: BSD-3-Clause
# Not yet: a reply that broke off was not asked for again.

from patterns.majordomo_v2 import Client, Event
from patterns.shell import run


def ask(ctx, endpoint, service, requests, window, timeout, tries):
    replies, ended = [[] for _ in requests], 0
    for reply in run(ctx, Client(endpoint, service, requests, window, timeout, tries)):
        if reply.body:
            replies[reply.number].append(reply.body)
        else:
            replies[reply.number] = None
        ended += reply.event is not Event.PARTIAL
        if ended == len(requests):
            return replies
