"""Answers as data: files that travel, counts, and how far people agree. Only imports write."""

from rlhp.answers.files import export_labels, import_file, import_labels
from rlhp.answers.layouts import parsed
from rlhp.answers.over_time import over_time
from rlhp.answers.predicted import Foresight, foreseen, foresight
from rlhp.answers.preferences import Preferences, load
from rlhp.answers.table import Report, Table, report, text

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
