"""Measurements of each stage against the plainest program that does the same work (docs/performance.md).

Never part of the tests, never imported by the package.
"""
