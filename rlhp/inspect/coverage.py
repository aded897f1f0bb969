"""Compare r-hat with the true reward on steps of the newest policy, with a share of random actions."""

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
STEPS = 10_240  # in total; LARGE_STEPS for images and other large observations
LARGE, LARGE_STEPS = 1024, 4096  # LARGE: maximum number of values kept per observation
RANDOM = 0.25  # share of uniformly sampled actions
BLOCK = 32  # consecutive steps that the bootstrap samples together
DRAWS = 200  # bootstrap samples, each with its own fits
LEAST = 200  # minimum number of random actions for averages over actions


@dataclass(frozen=True, slots=True)
class Coverage:
    """n steps, ordered by environment."""

    before: Array  # [n, numbers] state before the action
    after: Array  # [n, numbers] state after the action
    rewards: Array  # [n, 2] true, predicted
    random: Array  # [n] bool: the action was sampled uniformly, independently of the state
    ended: Array  # [n] bool: the state after the action is terminal
    whole: Array  # [n] bool: the state after the action is known
    block: Array  # [n] block of the step

    def __getitem__(self, rows: Array) -> Coverage:
        return Coverage(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Distances:
    """Distances of r-hat from the true reward, and the numbers of steps and of random actions they are based on."""

    epic: Estimate
    starc: Estimate
    steps: int
    random: int


def gather(trained: train.Trained, model: Predictor, seed: int) -> Coverage:
    """Collect steps of the newest policy from the start of episodes, with a share RANDOM of uniformly sampled actions."""
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
    """Concatenate one array [N, ...] per step to [N T, ...], ordered by environment."""
    return np.stack(column, axis=1).reshape(len(column) * ENVS, *column[0].shape[1:])


def _steps(trained: train.Trained, env: Any, model: Predictor, seed: int) -> Iterator[tuple[Array, ...]]:
    """Yield the columns of `Coverage`, without `block`, for one step of each environment."""
    torch.manual_seed(seed)
    env.action_space.seed(seed)
    rng, obs = make_rng(seed, "inspect/coverage"), np.array(env.reset())
    subsample, task = partial(_subsampled, env.observation_space), str(getattr(env, "task", type(env).__name__))
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
        yield subsample(obs), subsample(after), np.stack([reward, predicted], axis=1).astype(float), random, ended, whole
        obs = new


def _predicted(model: Predictor, seen: Array, act: Array, after: Array, stacked: bool) -> Array:
    """Return r-hat of one step in each of N environments, [N], from the observations before and after it."""
    obs, last = (np.moveaxis(seen, 1, 0), after[:, -1]) if stacked else (seen[np.newaxis], after)
    zeros = np.zeros((1, len(act)), np.float32)
    return model(Rollout(obs, act[np.newaxis], zeros, zeros > 0, None, np.zeros(0), last))[0]


def _subsampled(space: Any, obs: Array) -> Array:
    """Return at most LARGE evenly spaced values of each observation [N, ...]."""
    flat = numbers(space, obs).reshape(len(obs), -1)
    return flat[:, :: -(-flat.shape[1] // LARGE)].astype(np.float32)


def compare(steps: Coverage, discount: float, seed: int = 0) -> Distances:
    """Compute EPIC and STARC distances, each with a bootstrap interval over blocks of steps."""
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
    return Distances(epic if random >= LEAST else absent(f"only {random} random actions", n), starc, n, random)


def _distances(rewards: Array, before: Array, after: Array, steps: Coverage, discount: float) -> tuple[Any, Any]:
    """Return EPIC and STARC as functions of the weight of each block."""
    mean = fits.averages(before, rewards, steps.random.astype(float), steps.block)
    value = fits.values(before, after, steps.ended.astype(float), rewards, discount, steps.block)
    continues = (~steps.ended).astype(float)[:, np.newaxis]

    def epic(times: Array) -> float:
        weights = mean.weights(times)
        one, other = distances.epic_canonical(rewards, before @ weights, after @ weights * continues, 0.0, discount).T
        return distances.epic_distance(one, other, times[steps.block])

    def starc(times: Array) -> float:
        weights = value.weights(times)
        one, other = distances.starc_canonical(rewards, before @ weights, after @ weights * continues, discount).T
        return distances.starc_distance(one, other, times[steps.block])

    return epic, starc


def _estimated(distance: Any, block: Array, n: int, seed: int) -> Estimate:
    """Return a distance with its interval, by a block bootstrap that repeats the fits for each sample."""
    used = np.bincount(block) > 0
    times, rng = used.astype(float), np.random.default_rng(seed)
    value, chosen = distance(times), np.flatnonzero(used)
    drawn = [distance(np.bincount(rng.choice(chosen, len(chosen)), minlength=len(used)).astype(float)) for _ in range(DRAWS)]
    if not np.isfinite(value) or np.isfinite(drawn).mean() < 0.5:
        return absent("r-hat does not vary on these steps", n)
    low, high = np.nanpercentile(drawn, (2.5, 97.5))
    return Estimate(float(value), float(low), float(high), n)
