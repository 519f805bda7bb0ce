# SPDX-License-Identifier: BSD-3-Clause
"""Zero copy: arrays travel as they lie in memory, each with a header that says what the bytes mean.

    source PUSH ---[header][elements]---> PULL sink

    python -m patterns.zero_copy sink
    python -m patterns.zero_copy source --width 200

Frames: one message, [header][elements]. The header is JSON in UTF-8, {"dtype": "<f8", "shape": [2, 3], "order": "C"},
the elements are the memory of the array. No RFC has this; the layout is ours.
Left out: text, dates, objects, records; to notice that a connection is half open.
From this much on ZeroMQ reads the array's own memory: zmq.COPY_THRESHOLD, 65536 bytes. Below, pyzmq copies.
Copy alone; from the shell with `play.py`. Source: the ZeroMQ Guide, chapter 2, "Zero-Copy".
"""

import json
import math
import re
from typing import Any

import numpy as np
import zmq
from numpy.typing import NDArray

ENDPOINT = "tcp://127.0.0.1:5581"
COUNT = 3  # pictures
LINGER = 1000  # milliseconds that a closed socket may go on sending; the default is for ever
WIDTH = 400  # elements on each side of a picture
PAUSE = 0.1  # seconds between two looks whether all has gone
HEADER = 1000  # bytes that a header may have
DIMENSIONS = 32  # that an array may have
LARGEST = 1 << 40  # elements that an array may have; what has come decides how many it has
NUMBERS = re.compile(r"[<>|][biufc]\d{1,2}")  # byte order, kind, bytes of an element: "<f8", "|u1"

# What each trouble, of a sink or its connection, does to what is on its way; the test beside it shows it.
GUARANTEES = {
    "crash": ("lost", "test_what_a_sink_had_not_read_dies_with_it"),
    "freeze": ("blocked", "test_memory_is_not_free_while_the_sink_is_frozen"),
    "cut": ("lost", "test_a_tracker_is_done_with_an_array_that_was_lost_in_a_cut"),
    "slow": ("safe", "test_a_slow_sink_gets_every_array_as_it_was"),
    "restart": ("lost", "test_a_restarted_sink_gets_what_comes_next"),
}
# In the textbook's words: at most once, each array whole or not at all. A tracker tells when ZeroMQ is done with the
# memory, not that somebody has the array. Use something else when no array may be lost (let the sink confirm it).


class Refused(Exception):
    """A peer has sent what is no array; the message says why."""


def send_array(socket: zmq.Socket[Any], array: NDArray[Any], flags: int = 0) -> zmq.MessageTracker:
    """Send an array as one message and return a tracker: do not change the array before it is done.

    Raises ValueError for elements that are no numbers, and for an array that does not lie in memory in one piece.
    """
    if not isinstance(array, np.ndarray) or not NUMBERS.fullmatch(array.dtype.str):
        raise ValueError(f"array: expected an array of numbers, got {getattr(array, 'dtype', type(array).__name__)}")
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError("array: expected one that lies in memory in one piece; np.ascontiguousarray makes a copy")
    order = "C" if array.flags.c_contiguous else "F"
    header = json.dumps({"dtype": array.dtype.str, "shape": array.shape, "order": order}).encode()
    tracker = socket.send_multipart([header, array.data], flags, copy=False, track=True)
    assert tracker is not None  # it is asked for
    return tracker


def recv_array(socket: zmq.Socket[Any], flags: int = 0) -> NDArray[Any]:
    """Receive an array, aligned and read-only: its memory belongs to the message, over inproc to the sender's array.

    Raises Refused for a message that is no array; it is gone, and the next one can be received.
    """
    match socket.recv_multipart(flags, copy=False):
        case [header, elements] if len(header) <= HEADER:
            dtype, shape, order = _understood(header.bytes)
        case frames:
            raise Refused(f"expected a header of up to {HEADER} bytes and elements, got {len(frames)} frames")
    if math.prod(shape) * dtype.itemsize != len(elements):
        raise Refused(f"the header asks for another size than the {len(elements)} bytes that came")
    array: NDArray[Any] = np.ndarray(shape, dtype, buffer=elements.buffer, order=order)
    array = np.require(array, requirements="A")  # a small one may lie anywhere in what was read at once: it is copied
    array.flags.writeable = False
    return array


def _understood(header: bytes) -> tuple[np.dtype[Any], tuple[int, ...], Any]:
    """What a header says, once it is sure to be harmless. Nothing is made of it before."""
    try:
        match json.loads(header):
            case {"dtype": str(dtype), "shape": list(shape), "order": "C" | "F" as order} if (
                NUMBERS.fullmatch(dtype)
                and len(shape) <= DIMENSIONS
                and all(type(n) is int and n >= 0 for n in shape)
                and math.prod(n or 1 for n in shape) <= LARGEST
            ):
                return np.dtype(dtype), tuple(shape), order
    except (ValueError, TypeError, RecursionError):  # no UTF-8, no JSON, no such dtype, too deep
        pass
    raise Refused(f"no header of an array: {header[:80]!r}")


def wave(width: int, time: float) -> NDArray[np.float64]:
    """The water around two stones that were thrown into a pond: heights from -2 to 2 on a square."""
    y, x = np.mgrid[-1 : 1 : width * 1j, -1 : 1 : width * 1j]
    heights: NDArray[np.float64] = sum(np.sin(40 * np.hypot(x - at, y) - time) for at in (-0.4, 0.4))
    return heights


def source(ctx: zmq.Context[Any], width: int = WIDTH, count: int = COUNT, endpoint: str = ENDPOINT) -> None:
    """Compute pictures of a wave, send each as it is, and return when ZeroMQ is done with all of them.

    Each picture is a new array that nobody changes, so none has to be waited for before the next.
    """
    if width < 1 or count < 1:
        raise ValueError(f"width, count: expected at least 1, got {width!r} and {count!r}")
    with ctx.socket(zmq.PUSH) as push:
        push.linger, push.copy_threshold = LINGER, 0  # no copies: the tracker of one would be done before it has gone
        push.connect(endpoint)
        trackers = [send_array(push, wave(width, time)) for time in range(count)]
        while not all(tracker.done for tracker in trackers):
            push.poll(round(PAUSE * 1000))  # a PUSH receives nothing: this is a pause that ends with its Context


def sink(ctx: zmq.Context[Any], count: int = COUNT, endpoint: str = ENDPOINT) -> list[NDArray[Any]]:
    """Return the next `count` arrays in the order in which they come; drop what is none. Waits as long as it takes."""
    if count < 1:
        raise ValueError(f"count: expected at least 1, got {count!r}")
    arrays: list[NDArray[Any]] = []
    with ctx.socket(zmq.PULL) as pull:
        pull.rcvhwm = 0  # while a queue is full, libzmq 4.3.5 loses over ipc what a PUSH that closes has sent last
        pull.bind(endpoint)
        while len(arrays) < count:
            try:
                arrays.append(recv_array(pull))
            except Refused:
                continue
    return arrays


if __name__ == "__main__":
    from .play import play

    play(source, sink)
