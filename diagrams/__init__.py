# SPDX-License-Identifier: BSD-3-Clause
"""Looking at a run: record it, break it on the way, draw it.

Floors, from the ground up: `recording` (pure data), then `trace`, `wire` and `draw`, which know only `recording`.
"""
