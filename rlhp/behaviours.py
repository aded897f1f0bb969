"""Scores of whole clips, as a person judges a behaviour that no reward of single steps describes (section 3.2).

A score is a function of a segment; `teacher=scripted` prefers the clip with the larger one. Both scores here read the simulator's
states, so that they can see contacts, and turns that begin in one step and end in another.
"""

from __future__ import annotations

from functools import cache

import mujoco
import numpy as np

from rlhp.robots import ROBOTS, Robot
from rlhp.types import Array, Segment, UserError

HOPPER, HALFCHEETAH = ROBOTS["hopper"], ROBOTS["halfcheetah"]
FLIP = 1.5 * np.pi  # smallest turn that counts as a flip, in radians: three quarters
UPRIGHT = np.pi / 4  # largest lean of a torso that counts as upright, in radians


def backflip(clip: Segment) -> float:
    """Score a clip of Hopper by how far it turns backwards from its foot, and how cleanly.

    The score is the backward turn that starts from the foot (1: once around, see `turn_from_the_foot`), but at most the clip's
    net backward turn, + 0.5 if the robot turns by FLIP or more with nothing but its foot on the floor, + 1 if it then stands
    upright on its foot, + 0.1 times the fraction of the time in the air, - 0.5 times the fraction in which another part touches
    the floor. So a turn from foot to foot is better than one that ends in a fall, then come part of a turn, jumping, standing,
    and lying. Swinging back and forth, rolling on the floor, and falling and getting up again do not count as turning.
    """
    states = _states(clip, HOPPER)
    touch = on_the_floor(HOPPER, states)
    foot = touch.pop("foot_geom")
    fallen = np.any(list(touch.values()), axis=0)
    angle = states[:, 2]
    flipped, landed = flips(angle, foot, fallen)
    turn = min(turn_from_the_foot(angle, foot, fallen), float(angle[0] - angle[-1])) / (2 * np.pi)
    return turn + 0.5 * flipped + landed + 0.1 * float((~foot & ~fallen).mean()) - 0.5 * float(fallen.mean())


def turn_from_the_foot(angle: Array, foot: Array, fallen: Array) -> float:
    """Return Hopper's net backward turn, in radians, over the spells [T] between an upright stance and the next fall.

    angle, foot, fallen: as for `flips`. A spell that has not ended counts up to the last step.
    """
    turn, first, last = 0.0, None, 0.0
    stands = foot & ~fallen & upright(angle)
    for now, standing, down in zip(angle.tolist(), stands.tolist(), fallen.tolist(), strict=True):
        if down and first is not None:
            turn, first = turn + first - last, None
        if standing and first is None:
            first = now
        last = now
    return turn if first is None else turn + first - last


def flips(angle: Array, foot: Array, fallen: Array) -> tuple[bool, bool]:
    """Whether Hopper turns backwards by FLIP or more within one spell [T] in which it has not fallen, and whether it then stands.

    angle: the torso's, in radians, not wrapped, and smaller as the robot turns backwards. foot, fallen: whether the foot, and
    whether anything else is on the floor. It stands if it is upright with nothing but its foot on the floor.
    """
    flipped, landed, highest = False, False, -np.inf
    stands = foot & ~fallen & upright(angle)
    for now, standing, down in zip(angle.tolist(), stands.tolist(), fallen.tolist(), strict=True):
        highest = -np.inf if down else max(highest, now)
        turned = not down and highest - now >= FLIP
        flipped |= turned
        landed |= turned and standing
    return flipped, landed


def upright(angle: Array) -> Array:
    """Whether a torso leans by less than UPRIGHT, whatever the number of its turns."""
    return np.abs((angle + np.pi) % (2 * np.pi) - np.pi) < UPRIGHT


def one_leg(clip: Segment) -> float:
    """Score a clip of HalfCheetah by how much of the time it is on its back leg alone, half as much again at 1 m/s or faster.

    The score is alone * (2 + v) + 0.2 v - 0.5 * air - over: `alone` is the fraction of the time in which the back leg and nothing
    else touches the floor while the torso is not upside down, `v` the mean forward speed in m/s, limited to +-1, `air` the
    fraction in which nothing touches the floor, and `over` that in which the torso is upside down.
    """
    states = _states(clip, HALFCHEETAH)
    back, others = legs(on_the_floor(HALFCHEETAH, states))
    over = np.cos(states[:, 2]) < 0
    alone, air = (float(when.mean()) for when in (back & ~others & ~over, ~back & ~others))
    duration = HALFCHEETAH.dt * max(len(states) - 1, 1)
    speed = float(np.clip((states[-1, 0] - states[0, 0]) / duration, -1, 1))
    return alone * (2 + speed) + 0.2 * speed - 0.5 * air - float(over.mean())


def legs(touch: dict[str, Array]) -> tuple[Array, Array]:
    """Whether HalfCheetah's back leg, and whether anything else of it is on the floor."""
    back = np.any([there for part, there in touch.items() if part[0] == "b"], axis=0)
    return back, np.any([there for part, there in touch.items() if part[0] != "b"], axis=0)


def on_the_floor(robot: Robot, states: Array) -> dict[str, Array]:
    """Which parts of a robot touch the floor, by name: [...] bool each, from states [..., nq + nv]."""
    model, data = _simulation(robot)
    floor, shape = model.geom("floor").id, states.shape[:-1]
    touch = np.zeros((*shape, model.ngeom), bool)
    for place in np.ndindex(shape):
        data.qpos[:], data.qvel[:] = np.split(states[place], [model.nq])
        mujoco.mj_forward(model, data)
        pairs = data.contact.geom
        touch[place][pairs[(pairs == floor).any(axis=1)].ravel()] = True
    return {model.geom(i).name: touch[..., i] for i in range(model.ngeom) if i != floor}


@cache
def _simulation(robot: Robot) -> tuple[mujoco.MjModel, mujoco.MjData]:
    model = robot.model()
    return model, mujoco.MjData(model)


def _states(clip: Segment, robot: Robot) -> Array:
    """The simulator's states of a clip [L, nq + nv]. Raises UserError if they are not those of this robot."""
    model, _ = _simulation(robot)
    if clip.state is None or clip.state.shape[1:] != (model.nq + model.nv,):
        raise UserError(f"this behaviour is judged on clips of {robot.gymnasium_id}; choose env or clip_score accordingly.")
    return clip.state
