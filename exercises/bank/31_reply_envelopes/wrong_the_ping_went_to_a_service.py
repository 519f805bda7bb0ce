# SPDX-License-Identifier: BSD-3-Clause
# Not yet: the ping went to a service.

from patterns.shared_queue import broker
