"""Processes that are measured, or that make what is measured: each module is run with ``python -m``."""
