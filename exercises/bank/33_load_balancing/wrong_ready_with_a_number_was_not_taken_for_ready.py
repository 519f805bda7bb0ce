# SPDX-License-Identifier: BSD-3-Clause
# Not yet: READY with a number was not taken for READY.

from patterns.load_balancing import broker
