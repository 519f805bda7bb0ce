# SPDX-License-Identifier: BSD-3-Clause
"""Exercises whose checker names the misconception. In a notebook: `%load_ext exercises`; elsewhere: `-m exercises`.

What a learner edits are the notebooks in this folder. `task` says in which rooms the rest of an exercise stands.
"""

from typing import Any


def load_ipython_extension(shell: Any) -> None:
    """Make %%check, %hint, %try, %reset, %predict, %reveal and %recipe known to a notebook."""
    from .magics import Workbook

    shell.register_magics(Workbook)
