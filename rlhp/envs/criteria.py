"""Hand-written criteria for behaviours without a reward function (section 3.2).

A criterion replaces the true reward of a task and judges a step by what a clip shows of it: state and action. Arrays can have any
leading shape [...], such as environments or the steps of a clip. Angles are in radians, lengths in metres, times in seconds.
"""

from __future__ import annotations

import numpy as np

from rlhp.types import Array


def backflip(obs: Array, act: Array) -> Array:
    """Reward Hopper for turning backwards, most of all high up [...]; obs [..., 11], velocities clipped to +-10; act [..., 3].

    This is OpenAI's own criterion, written by hand in two hours for comparison with a behaviour learned from 900 human labels (a
    footnote to the blog post "Learning from human preferences", 2017). The torso leans forward as its angle grows, so a backward
    turn has velocity -obs[7].
    """
    backroll, height, backslide = -obs[..., 7], obs[..., 0], -obs[..., 5]
    vel_act = (act * obs[..., 8:11]).sum(axis=-1)
    return backroll * (1 + 0.3 * height + 0.1 * vel_act + 0.05 * backslide)


LIFT = 0.3  # metres that all other parts must be above the back leg to count as fully lifted
FAULT = 10.0  # metres per second: penalty of a step in which nothing is lifted


def one_leg(speed: Array, qpos: Array) -> Array:
    """Reward HalfCheetah for forward `speed` [...], minus FAULT where it does not balance on its back leg; qpos [..., 9].

    Torso, head and front leg must be LIFT or more above the lowest point of the back leg, and the torso must be level or reared
    up, to the vertical at most. The penalty decreases in proportion to the progress, so that small improvements pay at once.
    """
    heights = capsules(qpos)
    back = heights[..., [BACK_THIGH, BACK_SHIN, BACK_FOOT]].min(axis=-1)
    rest = heights[..., [TORSO, HEAD, FRONT_THIGH, FRONT_SHIN, FRONT_FOOT]].min(axis=-1)
    held = np.clip((rest - back) / LIFT, 0, 1) * np.clip(1 + np.cos(qpos[..., 2]), 0, 1)
    return speed - FAULT * (1 - held)


TORSO, HEAD, BACK_THIGH, BACK_SHIN, BACK_FOOT, FRONT_THIGH, FRONT_SHIN, FRONT_FOOT = range(8)

# The half-cheetah of Gymnasium's half_cheetah.xml. A capsule is given by its centre (x, z) in its body, its tilt from the z axis
# about y, and its half length; a link of a leg is given by the position (x, z) of its joint in the parent body and its capsule.
_RADIUS, _HEIGHT = 0.046, 0.7  # of every capsule; of the torso's body where rootz is 0
_TRUNK = (((0.0, 0.0), np.pi / 2, 0.5), ((0.6, 0.1), 0.87, 0.15))
_LEGS = (
    (
        ((-0.5, 0.0), ((0.1, -0.13), -3.8, 0.145)),
        ((0.16, -0.25), ((-0.14, -0.07), -2.03, 0.15)),
        ((-0.28, -0.14), ((0.03, -0.097), -0.27, 0.094)),
    ),
    (
        ((0.5, 0.0), ((-0.07, -0.12), 0.52, 0.133)),
        ((-0.14, -0.24), ((0.065, -0.09), -0.6, 0.106)),
        ((0.13, -0.18), ((0.045, -0.07), -0.6, 0.07)),
    ),
)


def capsules(qpos: Array) -> Array:
    """Compute the height above the floor of the lowest point of each part of the half-cheetah, in the order TORSO to FRONT_FOOT.

    qpos [..., 9] -> [..., 8]; equals MuJoCo's result but needs no simulator.
    """
    torso = qpos[..., 1] + _HEIGHT
    found = [_lowest(torso, qpos[..., 2], capsule) for capsule in _TRUNK]
    for first, leg in zip((3, 6), _LEGS, strict=True):
        height, turned = torso, qpos[..., 2]
        for joint, (at, capsule) in enumerate(leg, start=first):
            height = height + _rise(at, turned)
            turned = turned + qpos[..., joint]
            found.append(_lowest(height, turned, capsule))
    return np.stack(found, axis=-1)


def _rise(point: tuple[float, float], turned: Array) -> Array:
    """Height of a point (x, z) of a body above the body's origin; a positive angle lowers points in front of it."""
    return point[1] * np.cos(turned) - point[0] * np.sin(turned)


def _lowest(height: Array, turned: Array, capsule: tuple[tuple[float, float], float, float]) -> Array:
    middle, tilt, half = capsule
    return height + _rise(middle, turned) - half * np.abs(np.cos(turned + tilt)) - _RADIUS
