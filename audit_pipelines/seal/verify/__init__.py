"""Verification of a whole home against its log: one module a question, ``whole`` asks them all.

Nothing heavy is imported: no DuckDB, no pyarrow, no Dagster. What does not belong here: bundles (``standalone``).
"""
