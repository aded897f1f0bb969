"""Additions to a picture that make motion visible: lines on the floor, a caption, highlighted parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import mujoco
import numpy as np

from rlhp.types import Array, UserError

REACH = 6  # number of metre lines on either side of the robot
START, METRE, WATCHED = (0.13, 0.45, 0.35, 1.0), (0.30, 0.33, 0.38, 1.0), (0.95, 0.45, 0.05, 1.0)  # RGBA
LINE = 0.012  # half the width of a metre line, in metres; the start line is wider
BALL = 0.035  # difference between the radius of the ball around a watched joint and that of the body it moves, in metres


@dataclass(frozen=True, slots=True)
class Shape:
    """A box or a ball. `size`, in metres: half the sides of a box, or the radius of a ball three times. `text`: its label."""

    kind: mujoco.mjtGeom
    size: tuple[float, float, float]
    at: tuple[float, float, float]
    colour: tuple[float, float, float, float]
    text: str = ""

    def add(self, scene: mujoco.MjvScene) -> None:
        """Add the shape to a scene before it is rendered."""
        geom = scene.geoms[scene.ngeom]
        mujoco.mjv_initGeom(geom, self.kind.value, self.size, self.at, np.eye(3).ravel(), np.array(self.colour, np.float32))
        geom.label = self.text
        scene.ngeom += 1


def lines(start: float, robot: tuple[float, float], floor: float, width: float) -> list[Shape]:
    """Return the start line at x = `start` and a line at each metre from it, near a robot at (x, y); `floor` is a height.

    All lines run along y, `width` metres to either side of the robot. Units: metres.
    """
    near, y = round(robot[0] - start), robot[1]
    found: list[Shape] = []
    for metre in range(near - REACH, near + REACH + 1):
        thick, colour = (3 * LINE, START) if metre == 0 else (LINE, METRE)
        found.append(_box((thick, width, 0.001), (start + metre, y, floor + 0.002), colour))
        text = "start" if metre == 0 else f"{metre:+d} m"
        found.append(_box((0.001, 0.001, 0.001), (start + metre, y - 0.8 * width, floor), colour, text))
    return found


def _box(size: tuple[float, float, float], at: tuple[float, float, float], colour: tuple[float, ...], text: str = "") -> Shape:
    red, green, blue, alpha = colour
    return Shape(mujoco.mjtGeom.mjGEOM_BOX, size, at, (red, green, blue, alpha), text)


def moved(start: float, x: float) -> str:
    """Return the caption of a picture: how far the robot has moved along x since the start of the clip, in metres."""
    return f"moved {round(x - start, 1) + 0.0:+.1f} m"  # + 0.0 turns -0.0 into 0.0


@dataclass(frozen=True, slots=True)
class Watched:
    """The highlighted parts. Bodies are coloured in the model; joints are drawn as balls."""

    joints: tuple[int, ...]
    radius: tuple[float, ...]  # of each joint's ball, metres

    def balls(self, data: mujoco.MjData) -> list[Shape]:
        """Return a ball for each joint at its present position."""
        places: Array = data.xanchor
        return [_ball(radius, places[joint]) for joint, radius in zip(self.joints, self.radius, strict=True)]


def _ball(radius: float, at: Array) -> Shape:
    x, y, z = (float(each) for each in at)
    return Shape(mujoco.mjtGeom.mjGEOM_SPHERE, (radius, radius, radius), (x, y, z), WATCHED)


def watch(model: mujoco.MjModel, names: Sequence[str]) -> Watched:
    """Colour the bodies among `names` in `model`, and return the joints. Raises UserError for a name that is neither."""
    joints: list[int] = []
    for name in names:
        body = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY.value, name)
        joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT.value, name)
        if body >= 0:  # bodies first: HalfCheetah's joints have the names of the bodies that they move
            own = model.geom_bodyid == body
            model.geom_rgba[own], model.geom_matid[own] = WATCHED, -1
        elif joint >= 0:
            joints.append(joint)
        else:
            raise UserError(f"film.watch names {name!r}, which the robot does not have; choose from: {', '.join(_parts(model))}.")
    return Watched(tuple(joints), tuple(_thickness(model, joint) + BALL for joint in joints))


def _thickness(model: mujoco.MjModel, joint: int) -> float:
    return max((float(size) for size in model.geom_size[model.geom_bodyid == model.jnt_bodyid[joint], 0]), default=0.03)


def _parts(model: mujoco.MjModel) -> list[str]:
    bodies = [model.body(i).name for i in range(1, model.nbody)]
    return bodies + [model.joint(i).name for i in range(model.njnt)]
