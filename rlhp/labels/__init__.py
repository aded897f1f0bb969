"""Answers as data: files that travel, counts, and how far people agree. Only `import_labels` writes into a run."""

from rlhp.labels.files import export_labels, import_labels
from rlhp.labels.table import Report, Table, report, text

__all__ = ["Report", "Table", "export_labels", "import_labels", "report", "text"]
