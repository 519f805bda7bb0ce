# SPDX-License-Identifier: BSD-3-Clause
"""Kernels over ipc: a TCP port is chosen before it is bound, and by then another test may have it."""

import tempfile
import uuid
from typing import Any

from jupyter_client.manager import KernelManager


def manager(**options: Any) -> KernelManager:
    return KernelManager(transport="ipc", ip=f"{tempfile.gettempdir()}/zmq-{uuid.uuid4().hex}", **options)
