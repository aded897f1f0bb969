"""The paper's eight simulated-robotics tasks as records: robots, starts, observations and true rewards (sections 3.1.1, A).

Models, starts and observations are those of Gymnasium's v5 environments. The true rewards are not: the paper removes the torque
penalties and replaces early termination, which would reveal the task to the agent, by a penalty in the reward. It does not print
the formulas; those here are from rl-teacher, a co-author's release. With them the returns of a random policy match the left ends
of the paper's curves (figure 2), except for `pendulum` (see `_balance`).

The module also has the behaviours without a reward function (section 3.2): the same robots, with a hand-written criterion as the
reward. A criterion therefore needs no special teacher: the oracle judges by it, every run plots it, the agent that maximises it
is the baseline, and when a person judges, it measures what they have taught.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from rlhp.envs import criteria
from rlhp.robots import ROBOTS, Robot
from rlhp.types import Array, UserError

State = Mapping[str, Array]  # fields of mjData by name, [N, ...] each


@dataclass(frozen=True, slots=True)
class Task:
    """One task of section 3.1.1."""

    name: str
    robot: Robot
    reads: tuple[str, ...]  # the fields of mjData that `observe` and `reward` use, qpos and qvel among them
    start: Callable[[np.random.Generator, Array], tuple[Array, Array]]  # (rng, the model's qpos0) -> qpos, qvel
    observe: Callable[[State], Array]  # [N, O]
    reward: Callable[[State, State, float], Array]  # (before, after, dt) -> [N]
    horizon: int = 1000  # environment steps of an episode


def find(name: str) -> Task:
    """Return the task of that name. Raises UserError with the nearest name if there is none."""
    if name in TASKS:
        return TASKS[name]
    near = get_close_matches(name, TASKS, n=1, cutoff=0.0)[0]
    raise UserError(f"There is no task {name!r}: did you mean {near!r}? The tasks are {', '.join(TASKS)}.")


# Starts: Gymnasium's reset_model, with draws in the same order, so that the same generator gives the same start in both


def _uniform(scale: float) -> Callable[[np.random.Generator, Array], tuple[Array, Array]]:
    def start(rng: np.random.Generator, qpos0: Array) -> tuple[Array, Array]:
        n = len(qpos0)  # as many velocities as positions: none of these models has a free joint
        return qpos0 + rng.uniform(-scale, scale, n), rng.uniform(-scale, scale, n)

    return start


def _normal(scale: float, nv: int) -> Callable[[np.random.Generator, Array], tuple[Array, Array]]:
    def start(rng: np.random.Generator, qpos0: Array) -> tuple[Array, Array]:
        return qpos0 + rng.uniform(-scale, scale, len(qpos0)), scale * rng.standard_normal(nv)

    return start


def _reach_start(rng: np.random.Generator, qpos0: Array) -> tuple[Array, Array]:
    """The arm nearly straight and at rest, the target uniform in the disc of radius 0.2."""
    qpos = qpos0 + rng.uniform(-0.1, 0.1, 4)
    qpos[2:] = rng.uniform(-0.2, 0.2, 2)
    while np.linalg.norm(qpos[2:]) >= 0.2:
        qpos[2:] = rng.uniform(-0.2, 0.2, 2)
    qvel = rng.uniform(-0.005, 0.005, 4)
    qvel[2:] = 0
    return qpos, qvel


# Observations: Gymnasium's _get_obs


def _joints(skip: int, limit: float = np.inf) -> Callable[[State], Array]:
    """Positions without the first `skip` (the robot's location must not matter), and velocities clipped to +-limit."""

    def observe(s: State) -> Array:
        return np.concatenate([s["qpos"][:, skip:], s["qvel"].clip(-limit, limit)], axis=1)

    return observe


def _ant_obs(s: State) -> Array:
    contact = s["cfrc_ext"][:, 1:].clip(-1, 1)  # external forces on each body except the world, [N, 13, 6]
    return np.concatenate([s["qpos"][:, 2:], s["qvel"], contact.reshape(len(contact), -1)], axis=1)


def _reacher_obs(s: State) -> Array:
    theta = s["qpos"][:, :2]
    return np.concatenate([np.cos(theta), np.sin(theta), s["qpos"][:, 2:], s["qvel"][:, :2], _miss(s)[:, :2]], axis=1)


def _double_obs(s: State) -> Array:
    angles, push = s["qpos"][:, 1:], s["qfrc_constraint"][:, :1]
    return np.concatenate([s["qpos"][:, :1], np.sin(angles), np.cos(angles), s["qvel"].clip(-10, 10), push.clip(-10, 10)], axis=1)


# True rewards per step, [N]


def _run(before: State, after: State, dt: float) -> Array:
    """HalfCheetah, Swimmer: v_x, in m/s."""
    return (after["qpos"][:, 0] - before["qpos"][:, 0]) / dt


def _hop(before: State, after: State, dt: float) -> Array:
    """Hopper: 1 + v_x + (z - 1); falling lowers the height instead of ending the episode."""
    return 1 + _run(before, after, dt) + (after["qpos"][:, 1] - 1)


def _walk(before: State, after: State, dt: float) -> Array:
    """Walker: 1 + v_x + (z - 2)."""
    return 1 + _run(before, after, dt) + (after["qpos"][:, 1] - 2)


def _crawl(before: State, after: State, dt: float) -> Array:
    """Ant: v_x + (z - 1.2), without contact cost or a bonus for being alive; v_x of the torso's frame, as in Gymnasium."""
    return (after["xpos"][:, 1, 0] - before["xpos"][:, 1, 0]) / dt + (after["qpos"][:, 2] - 1.2)


def _miss(s: State) -> Array:
    """Vector from target to fingertip, [N, 3] in m; bodies 3 and 4 of the model are the fingertip and the target."""
    return s["xpos"][:, 3] - s["xpos"][:, 4]


def _reach(before: State, after: State, dt: float) -> Array:
    """Reacher: minus the distance between fingertip and target, in m."""
    return -np.linalg.norm(_miss(after), axis=1)


def _balance(before: State, after: State, dt: float) -> Array:
    """Pendulum: 1 - theta^2, theta in radians from upright, over 25 steps: rl-teacher's formula and horizon.

    This is the only task that could not be recovered. The paper's curve ends near +1375 and is never below -1760; here a step
    earns at most 1, and -1.43 on average under a random policy over 1000 steps (a fallen pole lies near theta = +-pi/2), so the
    first number needs at least 1375 steps and the second at most 1230. Over 1000 steps, an uncontrolled pole has fallen in 96 of
    100 steps shown, and 700 labels are spent on tiny differences between fallen poles.
    """
    return 1 - after["qpos"][:, 1] ** 2


def _balance_both(before: State, after: State, dt: float) -> Array:
    """Double pendulum: 10 - 0.01 x^2 - (y - 2)^2 - 0.001 w1^2 - 0.005 w2^2 + 10 (y - 1), tip at (x, y); at most 11.36."""
    x, y = after["site_xpos"][:, 0, 0], after["site_xpos"][:, 0, 2]
    w1, w2 = after["qvel"][:, 1], after["qvel"][:, 2]
    return 10 - 0.01 * x**2 - (y - 2) ** 2 - 0.001 * w1**2 - 0.005 * w2**2 + 10 * (y - 1)


# Criteria for behaviours without a reward function (section 3.2)


def _wrapped(s: State) -> Array:
    """Hopper's observation with the torso's angle in [-pi, pi): the number of turns must not matter, and no clip shows it."""
    obs = _joints(1, 10)(s)
    obs[:, 1] = (obs[:, 1] + np.pi) % (2 * np.pi) - np.pi
    return obs


def _backflip(before: State, after: State, dt: float) -> Array:
    """Judge what a clip shows of a step: the observation before the action, and the action."""
    return criteria.backflip(_wrapped(before), after["ctrl"])


def _one_leg(before: State, after: State, dt: float) -> Array:
    return criteria.one_leg(_run(before, after, dt), before["qpos"])


_JOINTS = ("qpos", "qvel")

TASKS: dict[str, Task] = {
    task.name: task
    for task in [
        Task("hopper", ROBOTS["hopper"], _JOINTS, _uniform(0.005), _joints(1, 10), _hop),
        Task("walker", ROBOTS["walker"], _JOINTS, _uniform(0.005), _joints(1, 10), _walk),
        Task("halfcheetah", ROBOTS["halfcheetah"], _JOINTS, _normal(0.1, 9), _joints(1), _run),
        Task("ant", ROBOTS["ant"], (*_JOINTS, "xpos", "cfrc_ext"), _normal(0.1, 14), _ant_obs, _crawl),
        Task("swimmer", ROBOTS["swimmer"], _JOINTS, _uniform(0.1), _joints(2), _run),
        Task("reacher", ROBOTS["reacher"], (*_JOINTS, "xpos"), _reach_start, _reacher_obs, _reach, horizon=50),
        Task("pendulum", ROBOTS["pendulum"], _JOINTS, _uniform(0.01), _joints(0), _balance, horizon=25),
        Task(
            "double_pendulum", ROBOTS["double_pendulum"],
            (*_JOINTS, "site_xpos", "qfrc_constraint"), _normal(0.1, 3), _double_obs, _balance_both,
        ),
        Task("hopper_backflip", ROBOTS["hopper"], (*_JOINTS, "ctrl"), _uniform(0.005), _wrapped, _backflip),
        Task("halfcheetah_one_leg", ROBOTS["halfcheetah"], _JOINTS, _normal(0.1, 9), _joints(1), _one_leg),
    ]
}  # fmt: skip
