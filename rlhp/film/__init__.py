"""Simulator states -> pictures -> a video file, off the training's path."""

from rlhp.film.draw import APT, BACKENDS, SIZE, View, backend, dots, draws, frames, probe, studio, view
from rlhp.film.tasks import FLAT, check_drawable, drawable, undrawable
from rlhp.film.trial import complaint, refused
from rlhp.film.video import CODECS, check, pace, write

__all__ = [
    "APT",
    "BACKENDS",
    "CODECS",
    "FLAT",
    "SIZE",
    "View",
    "backend",
    "check",
    "check_drawable",
    "complaint",
    "dots",
    "drawable",
    "draws",
    "frames",
    "pace",
    "probe",
    "refused",
    "studio",
    "undrawable",
    "view",
    "write",
]
