"""What draws clips and policies: segment -> pictures -> a video file, off the training's path.

An environment's yaml names what draws it as `film`, a `rlhp.types.Drawing`: `MuJoCo`, `Atari`, `Point`, `Own` (of Gymnasium
environments, by their own `render`), or a class of one's own.
"""

from rlhp.film.atari import Atari
from rlhp.film.draw import APT, BACKENDS, SIZE, View, backend, draws, frames, probe, studio, without_screen
from rlhp.film.load import drawing, find, undrawable
from rlhp.film.mujoco import MuJoCo
from rlhp.film.own import Own
from rlhp.film.point import Point
from rlhp.film.trial import complaint, refused
from rlhp.film.video import CODECS, check, pace, write

__all__ = [
    "APT",
    "BACKENDS",
    "CODECS",
    "SIZE",
    "Atari",
    "MuJoCo",
    "Own",
    "Point",
    "View",
    "backend",
    "check",
    "complaint",
    "drawing",
    "draws",
    "find",
    "frames",
    "pace",
    "probe",
    "refused",
    "studio",
    "undrawable",
    "without_screen",
    "write",
]
