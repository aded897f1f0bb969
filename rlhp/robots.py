"""The eight simulated robots of section 3.1.1, as physics models: the files of Gymnasium's v5 environments."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import gymnasium
import mujoco

from rlhp.types import UserError

ASSETS = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Robot:
    """A robot and its time step."""

    gymnasium_id: str
    xml: str
    frame_skip: int  # physics steps per environment step
    dt: float  # seconds of simulated time per environment step

    def model(self) -> mujoco.MjModel:
        """Compile the physics model from Gymnasium's file; MuJoCo's warnings then go to this module's log."""
        mujoco.set_mju_user_warning(_log.debug)  # otherwise MuJoCo writes MUJOCO_LOG.TXT into the working directory
        return mujoco.MjModel.from_xml_path(str(ASSETS / self.xml))


ROBOTS = {
    "hopper": Robot("Hopper-v5", "hopper.xml", 4, 0.008),
    "walker": Robot("Walker2d-v5", "walker2d_v5.xml", 4, 0.008),
    "halfcheetah": Robot("HalfCheetah-v5", "half_cheetah.xml", 5, 0.05),
    "ant": Robot("Ant-v5", "ant.xml", 5, 0.05),
    "swimmer": Robot("Swimmer-v5", "swimmer.xml", 4, 0.04),
    "reacher": Robot("Reacher-v5", "reacher.xml", 2, 0.02),
    "pendulum": Robot("InvertedPendulum-v5", "inverted_pendulum.xml", 2, 0.04),
    "double_pendulum": Robot("InvertedDoublePendulum-v5", "inverted_double_pendulum.xml", 5, 0.05),
}


def find(name: str) -> Robot:
    """Look a robot up by name. Raises UserError with the nearest name if there is none."""
    if name in ROBOTS:
        return ROBOTS[name]
    near = get_close_matches(name, ROBOTS, n=1, cutoff=0.0)[0]
    raise UserError(f"There is no robot {name!r}: did you mean {near!r}? The robots are {', '.join(ROBOTS)}.")
