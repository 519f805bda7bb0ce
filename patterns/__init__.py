# SPDX-License-Identifier: BSD-3-Clause
"""Recipes: import them, run them from the shell, read them. One module a pattern, named after it.

`stage` runs their roles; everything else in this folder is a pattern of the ZeroMQ Guide.
"""
