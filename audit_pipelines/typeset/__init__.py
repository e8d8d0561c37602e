"""Stage 5: facts and query results -> the monthly report, as PDF, ``report.json`` and lists.

The stage is a pure function of what it is given: ``compute`` makes the model (every figure, its query and
the query's digest), ``render`` sets it, ``write_report`` writes the files of one revision into a folder.
What a report says is data (``reports/<name>/report.toml``), how it looks is data too (``templates/report``).
What does not belong here: running queries (``ask`` is an argument), choosing which leaves count, deciding
whether a month may be issued, and the final place of the files.
"""
