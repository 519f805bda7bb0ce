# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the question went out without its number.

from patterns.lazy_pirate import ask as recipe


def ask(ctx, endpoint, question, deadline, tries):
    return recipe(ctx, question, endpoint, deadline, tries)
