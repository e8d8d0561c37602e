"""audit-pipelines: nightly export and compliance reporting for audit logs."""

__version__ = "0.1.0"
