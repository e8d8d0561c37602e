"""Stage 2: records become evidence files, events become Parquet; days become the relation ``events``."""
