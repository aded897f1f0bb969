"""Evaluation of policies by the true reward, and their behaviour as segments and pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rlhp.finite import check_actions, check_observed, check_received
from rlhp.render import drawn
from rlhp.types import Array, Deflated, Rollout, Segment, Transitions, UserError, stack_states

MAX_STEPS = 100_000  # maximum length of an episode in `returns`
LONGEST = 240  # maximum length of the segments of `watch`, to bound memory; a multiple of the steps per video frame
NONE: Array = np.zeros(0)  # the returns of no episodes
_Step = tuple[Array, Array, float, Array | tuple[Deflated, ...] | None]
Policy = Callable[[Any], Array]  # raw observations [N, *O] -> actions [N, *A]


def by_mode(action_space: spaces.Space) -> bool:
    """Whether to evaluate policies by the mode of their distribution: true for continuous actions.

    With discrete actions, the mode alone is a different policy than the trained one; in a game it may loop forever.
    """
    return isinstance(action_space, spaces.Box)


def returns(policy: Policy, env: VecEnv, episodes: int, max_steps: int = MAX_STEPS) -> Array:
    """Undiscounted true returns, or scores, of `episodes` complete episodes; the environment's rewards are the true ones.

    Each of the N environments contributes a number of episodes fixed in advance, since taking the episodes that end first would
    favour short ones. Shortened episodes do not count. Raises UserError for less than one episode or step, if an environment
    makes `max_steps` steps without completing an episode, and if a number is not finite.
    """
    if episodes < 1 or max_steps < 1:
        name, value = ("episodes", episodes) if episodes < 1 else ("max_steps", max_steps)
        raise UserError(f"{name} is {value}, but at least one is needed; give 1 or more.")
    task = str(getattr(env, "task", type(env).__name__))
    share = (episodes + np.arange(env.num_envs)) // env.num_envs
    running, done, waited = np.zeros(env.num_envs), np.zeros(env.num_envs, int), np.zeros(env.num_envs, int)
    finished: list[float] = []
    for reward, ended, whole, score in _steps(policy, env, task):
        running += reward
        finished += np.where(np.isnan(score), running, score)[whole & (done < share)].tolist()
        done += whole
        running[ended] = 0
        waited = np.where(whole, 0, waited + 1)
        if (done >= share).all():
            break
        if (waited[done < share] >= max_steps).any():
            raise UserError(_endless(task, max_steps, getattr(env, "horizon", None)))
    return np.array(finished)


def _steps(policy: Policy, env: VecEnv, task: str) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Yield for each step, without end: rewards [N], which episodes ended [N], which of these are complete [N], scores [N].

    A score is NaN if the environment reports none; it is then the sum of rewards. An episode ends if a reset follows, even one
    that is hidden from the agent.
    """
    obs: Any = env.reset()
    check_observed(task, env.observation_space, obs, 0)
    for step in count(env.num_envs, env.num_envs):
        actions = policy(obs)
        check_actions(task, actions, step - env.num_envs)
        obs, reward, dones, infos = env.step(actions)
        check_received(task, "reward", reward, step)
        check_observed(task, env.observation_space, obs, step)
        ended = dones | np.array([bool(info.get("cut")) for info in infos])
        whole = ended & ~np.array([bool(info.get("shortened")) for info in infos])
        yield reward, ended, whole, np.array([info.get("score", np.nan) for info in infos])


def random_returns(env: Any, episodes: int) -> Array:
    """True returns, or scores, of uniformly random actions in a vectorised environment, [episodes]; deterministic."""
    rng, space = np.random.default_rng(0), env.action_space
    if isinstance(space, spaces.Discrete):
        return returns(lambda obs: space.start + rng.integers(space.n, size=len(obs)), env, episodes)
    if isinstance(space, spaces.Box) and len(space.shape) == 1 and space.is_bounded():
        low, high = space.low, space.high
        return returns(lambda obs: rng.uniform(low, high, (len(obs), len(low))), env, episodes)
    drawn = deepcopy(space)  # other code may draw from the space's random stream
    drawn.seed(0)
    return returns(lambda obs: np.stack([drawn.sample() for _ in obs]), env, episodes)


def visited(policy: Policy, env: VecEnv, steps: int) -> Transitions:
    """The transitions of a policy in `steps` steps from a reset of N environments: [steps N], step by step.

    The next observation of an episode's last step is the last one of that episode. Raises UserError if a number is not finite.
    """
    task, obs = str(getattr(env, "task", type(env).__name__)), np.array(env.reset())
    rows: list[tuple[Array, Array, Array]] = []
    for step in range(1, steps + 1):
        check_observed(task, env.observation_space, obs, (step - 1) * env.num_envs)
        act = policy(obs)
        check_actions(task, act, (step - 1) * env.num_envs)
        new, _, dones, infos = env.step(act.copy())
        after = np.array(new)
        for i in np.flatnonzero(dones):
            after[i] = infos[i]["terminal_observation"]
        rows.append((obs, act, after))
        obs = np.array(new)
    obs, act, after = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Transitions(_single(obs), act, _single(after))


def _single(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.float64 else x


def _endless(task: str, max_steps: int, horizon: int | None) -> str:
    """The message for an episode that does not end; `horizon`: steps after which it ends; None: unknown."""
    why = f"an environment of {task} made {max_steps:,} steps without ending an episode, so there is no return to measure"
    if horizon is not None:
        return f"{why}; its episodes have at most {horizon:,} steps: give a larger --max-steps"
    return f"{why}; train it with a time limit, env.max_episode_steps=..., or give a larger --max-steps"


def watch(policy: Policy, env: Any, steps: int) -> Iterator[Segment]:
    """The segments of the first environment in `steps` steps from a reset, each up to a real reset or LONGEST steps.

    `env` is a `VecEnv` that is also a `rlhp.types.Env`; it steps while the segments are read. A segment has no earlier
    observations. It has the state before each of its steps, or only the first one if that and the actions are enough to render
    it (`replays`).
    """
    stack, replays = getattr(env, "stack", 1), bool(getattr(env, "replays", False))
    rows: list[_Step] = []
    obs = env.reset()
    for step in range(1, steps + 1):
        states, seen, actions = env.states(), obs[0][-1] if stack > 1 else obs[0], policy(obs)
        before, kept = np.array(seen), np.array(states) if isinstance(states, np.ndarray) else states
        obs, reward, dones, infos = env.step(actions)
        rows.append((before, np.array(actions[0]), float(reward[0]), kept))
        if dones[0] or infos[0].get("cut") or step == steps or len(rows) == LONGEST:
            yield _segment(rows, replays)
            rows = []


def _segment(rows: list[_Step], replays: bool) -> Segment:
    """Combine steps (observation, action and true reward of the first environment, states of all) to a segment of the first."""
    obs, act, reward, states = zip(*rows, strict=True)
    kept = [each for each in states if each is not None]
    state = stack_states(kept) if kept else None
    steps = Rollout(_alone(obs), _alone(act), np.array(reward, np.float32)[:, None], np.zeros((len(rows), 1), bool), state, NONE)
    return replace(steps, replays=replays).clip(0, 0, len(rows))


def _alone(rows: Sequence[Array]) -> Array:
    """Stack the steps of one environment: [L, 1, ...]."""
    return np.stack(rows)[:, np.newaxis]


def pictures(policy: Policy, env: VecEnv, steps: int) -> Iterator[Array]:
    """The environment's own pictures [H, W, 3] uint8, before each of `steps` actions; it needs render_mode "rgb_array".

    Raises UserError if it does not render, or if a library for rendering is missing.
    """
    obs = env.reset()
    for _ in range(steps):
        yield drawn(lambda: next(iter(env.get_images())))
        obs = env.step(policy(obs))[0]
