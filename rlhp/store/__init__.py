"""The preference store: queries and answers as rows of one SQLite file, through which the loop and teachers communicate."""

from rlhp.store.annotation_queue import PERSON, AnnotationQueue
from rlhp.store.annotations import AnnotatorStatistics, Given, Lease, Outcome, Reply, Shown
from rlhp.store.answers import Label, asked, import_answers, labels, recorded, segments
from rlhp.store.codec import Source, digest
from rlhp.store.connection import Database, copy, version_of
from rlhp.store.counts import Counts, FirstUse, Judged, counts, judged, newest_clips, people, times, used_after
from rlhp.store.integrity import is_count, is_time
from rlhp.store.migrate import VERSION
from rlhp.store.store import Store
from rlhp.store.undo_window import UndoWindow, Waiting

__all__ = [
    "PERSON",
    "VERSION",
    "AnnotationQueue",
    "AnnotatorStatistics",
    "Counts",
    "Database",
    "FirstUse",
    "Given",
    "Judged",
    "Label",
    "Lease",
    "Outcome",
    "Reply",
    "Shown",
    "Source",
    "Store",
    "UndoWindow",
    "Waiting",
    "asked",
    "copy",
    "counts",
    "digest",
    "import_answers",
    "is_count",
    "is_time",
    "judged",
    "labels",
    "newest_clips",
    "people",
    "recorded",
    "segments",
    "times",
    "used_after",
    "version_of",
]
