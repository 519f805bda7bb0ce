# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the broker heard no request.


def ask(ctx, endpoint, service, requests, window, timeout, tries):
    return [None] * len(requests)
