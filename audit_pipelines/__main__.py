"""``python -m audit_pipelines`` is ``audit-pipelines``."""

from audit_pipelines.cli import main

main()
