"""Answers as data: files that travel, counts, and how far people agree. Only imports write."""

from rlhp.labels.files import export_labels, import_file, import_labels
from rlhp.labels.layouts import parsed
from rlhp.labels.over_time import over_time
from rlhp.labels.predicted import Foresight, foreseen, foresight
from rlhp.labels.preferences import Preferences, load
from rlhp.labels.table import Report, Table, report, text

__all__ = [
    "Foresight",
    "Preferences",
    "Report",
    "Table",
    "export_labels",
    "foreseen",
    "foresight",
    "import_file",
    "import_labels",
    "load",
    "over_time",
    "parsed",
    "report",
    "text",
]
