"""Simulator states -> pictures -> a video file, off the training's path."""

from rlhp.film.draw import APT, BACKENDS, SIZE, View, backend, dots, draws, frames, probe, refused, studio, view
from rlhp.film.video import CODECS, check, pace, write

__all__ = [
    "APT",
    "BACKENDS",
    "CODECS",
    "SIZE",
    "View",
    "backend",
    "check",
    "dots",
    "draws",
    "frames",
    "pace",
    "probe",
    "refused",
    "studio",
    "view",
    "write",
]
