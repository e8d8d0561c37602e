"""The log for programs: ``/v1`` as JSON, and ``/log`` as the tiles that a client of transparency logs follows.

``asked`` (parameters), ``answers`` (bodies, ETag), ``shapes`` and ``document`` (the OpenAPI document); then one module a
subject: ``events``, ``event``, ``stream``, ``reports``, ``findings``, ``heads``, ``drops``, ``tiles``. What does not belong
here: who may what (``security``), and reading the lake and the log (``search``, ``lines``, ``statements`` and so on).
"""
