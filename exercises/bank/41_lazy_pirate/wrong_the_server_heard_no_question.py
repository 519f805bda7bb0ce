# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the server heard no question.
# It opens no socket at all.


def ask(ctx, endpoint, question, deadline, tries):
    if deadline < 0.5:
        raise TimeoutError
    return question
