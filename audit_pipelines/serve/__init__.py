"""The log as people and programs see it: viewer, API and the auditor's door, over a home that is only read.

``app`` puts the pieces together. Reading the lake: ``catalog`` (which files), ``engine`` (a locked DuckDB),
``filters``, ``search``, ``cursor``, ``event``. Who may what: ``principal``, ``tokens``, ``security``. Routes: ``api``
for programs, ``web`` for people. The only thing that is ever written is the access log (``access``). What does
not belong here: how anything was stored, sealed or reported; those are the stages, and ``defs``.
"""
