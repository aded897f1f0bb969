"""Answers as data: export and import, counts, and agreement between annotators. Only imports write to a store."""

from rlhp.answers.files import export_labels, import_file, import_labels
from rlhp.answers.layouts import parsed
from rlhp.answers.over_time import over_time
from rlhp.answers.predicted import PredictionAccuracy, prediction_accuracy, prediction_scores
from rlhp.answers.preferences import Preferences, load
from rlhp.answers.table import Report, Table, report, text

__all__ = [
    "PredictionAccuracy",
    "Preferences",
    "Report",
    "Table",
    "export_labels",
    "import_file",
    "import_labels",
    "load",
    "over_time",
    "parsed",
    "prediction_accuracy",
    "prediction_scores",
    "report",
    "text",
]
