"""Steps of the newest policy, some of them at random, on which r-hat is compared with the true reward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import torch

from rlhp import train
from rlhp.finite import check_actions
from rlhp.inspect import distances, fits
from rlhp.inspect.estimate import Estimate, absent
from rlhp.types import Array, Predictor, Rollout, make_rng, numbers

ENVS = 16
STEPS = 10_240  # in all; of images and other large observations LARGE_STEPS
LARGE, LARGE_STEPS = 1024, 4096  # numbers of an observation that are kept at most
RANDOM = 0.25  # share of the actions that are drawn uniformly
BLOCK = 32  # consecutive steps that are drawn together
DRAWS = 200  # of the bootstrap, each with fits of its own
LEAST = 200  # random actions that averages over actions are fitted to


@dataclass(frozen=True, slots=True)
class Coverage:
    """n steps, environment by environment."""

    before: Array  # [n, numbers] of the state before the action
    after: Array  # [n, numbers] and after it
    rewards: Array  # [n, 2] true, predicted
    random: Array  # [n] bool: the action was drawn uniformly, whatever the state
    ended: Array  # [n] bool: the task ended there
    whole: Array  # [n] bool: what the action led to is known
    block: Array  # [n] which block a step is in

    def __getitem__(self, rows: Array) -> Coverage:
        return Coverage(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Distances:
    """How far r-hat is from the true reward, and the correlation of the two, step by step."""

    epic: Estimate
    starc: Estimate
    steps: int
    random: int


def gather(trained: train.Trained, model: Predictor, seed: int) -> Coverage:
    """Let the newest policy act from the start of episodes, and take a share of its actions at random."""
    env = trained.make_env(ENVS, seed)
    try:
        size = int(np.prod(numbers(env.observation_space, np.zeros((1, *env.observation_space.shape), np.uint8)).shape))
        steps = (STEPS if size <= LARGE else LARGE_STEPS) // ENVS
        rows = [row for _, row in zip(range(steps), _steps(trained, env, model, seed), strict=False)]
    finally:
        env.close()
    before, after, rewards, random, ended, whole = (_joined(column) for column in zip(*rows, strict=True))
    place = np.arange(steps * ENVS)
    return Coverage(before, after, rewards, random, ended, whole, place // steps * -(-steps // BLOCK) + place % steps // BLOCK)


def _joined(column: Sequence[Array]) -> Array:
    """One array [N, ...] for each step -> [N T, ...], environment by environment."""
    return np.stack(column, axis=1).reshape(len(column) * ENVS, *column[0].shape[1:])


def _steps(trained: train.Trained, env: Any, model: Predictor, seed: int) -> Iterator[tuple[Array, ...]]:
    """The columns of `Coverage` of one step of each environment, without the last."""
    torch.manual_seed(seed)
    env.action_space.seed(seed)
    rng, obs = make_rng(seed, "inspect/coverage"), np.array(env.reset())
    small, task = partial(_small, env.observation_space), str(getattr(env, "task", type(env).__name__))
    while True:
        random = rng.random(ENVS) < RANDOM
        act = np.array(trained.policy(obs, deterministic=False))
        for i in np.flatnonzero(random):
            act[i] = env.action_space.sample()
        check_actions(task, act, 0)
        new, reward, dones, infos = env.step(act.copy())
        new, after = np.array(new), np.array(new)
        for i in np.flatnonzero(dones):
            after[i] = infos[i].get("terminal_observation", after[i])
        ended = dones & ~np.array([bool(info.get("TimeLimit.truncated")) for info in infos])
        whole = ~np.array([bool(info.get("cut")) and not done for info, done in zip(infos, dones, strict=True)])
        predicted = _predicted(model, obs, act, after, getattr(env, "stack", 1) > 1)
        yield small(obs), small(after), np.stack([reward, predicted], axis=1).astype(float), random, ended, whole
        obs = new


def _predicted(model: Predictor, seen: Array, act: Array, after: Array, stacked: bool) -> Array:
    """r-hat of one step in each of N environments, [N], by what networks see before and after it."""
    obs, last = (np.moveaxis(seen, 1, 0), after[:, -1]) if stacked else (seen[np.newaxis], after)
    nothing = np.zeros((1, len(act)), np.float32)
    return model(Rollout(obs, act[np.newaxis], nothing, nothing > 0, None, np.zeros(0), last))[0]


def _small(space: Any, obs: Array) -> Array:
    """At most LARGE numbers of each observation [N, ...], evenly spread over it."""
    flat = numbers(space, obs).reshape(len(obs), -1)
    return flat[:, :: -(-flat.shape[1] // LARGE)].astype(np.float32)


def compare(steps: Coverage, discount: float, seed: int = 0) -> Distances:
    """EPIC and STARC distances, each with a bootstrap interval over blocks of steps."""
    steps = steps[np.flatnonzero(steps.whole)]
    n, random = len(steps.random), int(steps.random.sum())
    spread = steps.rewards.std(axis=0)
    if not spread[0] > 0 or not np.isfinite(steps.rewards).all():
        why = absent("the true reward does not vary on these steps", n)
        return Distances(why, why, n, random)
    scaled = steps.rewards / np.where(spread > 1e-9 * np.abs(steps.rewards).max(axis=0) + 1e-12, spread, np.inf)
    phi = fits.features(steps.before, seed)
    before, after = phi(steps.before), phi(steps.after)
    epic, starc = (_estimated(part, steps.block, n, seed) for part in _distances(scaled, before, after, steps, discount))
    return Distances(epic if random >= LEAST else absent(f"{random} random actions are too few", n), starc, n, random)


def _distances(rewards: Array, before: Array, after: Array, steps: Coverage, discount: float) -> tuple[Any, Any]:
    """EPIC and STARC as functions of how often each block counts."""
    mean = fits.averages(before, rewards, steps.random.astype(float), steps.block)
    value = fits.values(before, after, steps.ended.astype(float), rewards, discount, steps.block)
    goes_on = (~steps.ended).astype(float)[:, np.newaxis]

    def epic(times: Array) -> float:
        weights = mean.weights(times)
        one, other = distances.epic_canonical(rewards, before @ weights, after @ weights * goes_on, 0.0, discount).T
        return distances.epic_distance(one, other, times[steps.block])

    def starc(times: Array) -> float:
        weights = value.weights(times)
        one, other = distances.starc_canonical(rewards, before @ weights, after @ weights * goes_on, discount).T
        return distances.starc_distance(one, other, times[steps.block])

    return epic, starc


def _estimated(distance: Any, block: Array, n: int, seed: int) -> Estimate:
    """A distance with its interval: a block bootstrap that repeats the fits for each draw."""
    there = np.bincount(block) > 0
    times, rng = there.astype(float), np.random.default_rng(seed)
    value, chosen = distance(times), np.flatnonzero(there)
    drawn = [distance(np.bincount(rng.choice(chosen, len(chosen)), minlength=len(there)).astype(float)) for _ in range(DRAWS)]
    if not np.isfinite(value) or np.isfinite(drawn).mean() < 0.5:
        return absent("r-hat does not vary on these steps", n)
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Estimate(float(value), float(low), float(high), n)
