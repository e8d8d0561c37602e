"""Stage 4a: the leaves of one batch and day become NDJSON drops that a SIEM reads from a folder.

``format`` turns a template into one SELECT, ``parts`` writes its lines as files, ``codec`` compresses them,
``manifest`` says what a drop holds, ``publish`` gives the files their names. What does not belong here:
which days a batch touches (``batch``), the relation ``events`` (``lake``) and delivery to a target.
"""
