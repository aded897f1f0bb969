"""Demonstrations: episodes of an expert, read from and written to Minari datasets (minari.farama.org)."""

from rlhp.demonstrations.reading import load
from rlhp.demonstrations.recording import Tape, record
from rlhp.demonstrations.writing import append, dataset_id, kept, save, write

__all__ = ["Tape", "append", "dataset_id", "kept", "load", "record", "save", "write"]
