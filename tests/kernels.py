# SPDX-License-Identifier: BSD-3-Clause
"""Kernels over ipc where there is one: a TCP port is chosen before it is bound, and another test may have it then."""

import tempfile
import uuid
from typing import Any

import zmq
from jupyter_client.manager import KernelManager


def manager(**options: Any) -> KernelManager:
    if zmq.has("ipc"):
        options |= {"transport": "ipc", "ip": f"{tempfile.gettempdir()}/zmq-{uuid.uuid4().hex}"}
    return KernelManager(**options)
