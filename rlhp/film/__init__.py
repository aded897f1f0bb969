"""Render clips and policies: segment -> pictures -> video file, outside the training loop.

An environment's yaml names its renderer as `film`, a `rlhp.types.Drawing`: `MuJoCo`, `Atari`, `Point`, `SelfRendered`
(Gymnasium environments with their own `render`), or a user-defined class.
"""

from rlhp.film.atari import Atari
from rlhp.film.load import drawing, find, undrawable
from rlhp.film.mujoco import MuJoCo
from rlhp.film.point import Point
from rlhp.film.render import APT, BACKENDS, SIZE, View, backend, clip_renderer, draws, frames, probe, without_screen
from rlhp.film.self_rendered import SelfRendered
from rlhp.film.trial import complaint, refused
from rlhp.film.video import CODECS, check, frame_rate, write

__all__ = [
    "APT",
    "BACKENDS",
    "CODECS",
    "SIZE",
    "Atari",
    "MuJoCo",
    "Point",
    "SelfRendered",
    "View",
    "backend",
    "check",
    "clip_renderer",
    "complaint",
    "drawing",
    "draws",
    "find",
    "frame_rate",
    "frames",
    "probe",
    "refused",
    "undrawable",
    "without_screen",
    "write",
]
