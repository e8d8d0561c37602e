"""Benchmarks: how fast each stage is beside the plain limit of its work, and how much memory it takes.

``python -m bench`` (``make bench``) measures and writes RESULTS.md; docs/performance.md says what the figures
mean. ``gates`` holds the limits, ``cases`` what is measured, ``children`` and ``naive`` the processes that are.
The process that measures imports nothing heavy: a child starts with its parent's peak memory as its own. What
does not belong here: tests, and anything that the program itself needs.
"""
