"""Comparisons of clips that are given side by side."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rlhp.types import EMPTY, Array, Clips, Comparisons, Rollout, Steps


def comparisons(left: Steps, right: Steps, mu: Array, query: Array | None = None) -> Comparisons:
    """Clip i of the left ones against clip i of the right ones; `mu` as `said` takes it."""
    obs, act, reward = (np.concatenate([getattr(side, name) for side in (left, right)]) for name in ("obs", "act", "true_reward"))
    n = len(mu)
    shown = np.stack([np.arange(n), n + np.arange(n)], axis=1)
    return Comparisons(Clips(obs, act, reward), shown, said(mu), np.arange(n) if query is None else query, np.zeros(n, bool))


def rankings(steps: Steps, sizes: Sequence[int]) -> Comparisons:
    """What an oracle says about the first sizes[0] clips, the next sizes[1], and so on; each its own question."""
    width, returns, first = max(sizes), steps.true_reward.sum(axis=1), 0
    shown, ranks = (np.full((len(sizes), width), EMPTY) for _ in range(2))
    for row, size in enumerate(sizes):
        these = np.arange(first, first + size)
        shown[row, :size], first = these, first + size
        ranks[row, :size] = (returns[these] > returns[these, np.newaxis]).sum(axis=1)
    return Comparisons(
        Clips(steps.obs, steps.act, steps.true_reward), shown, ranks, np.arange(len(sizes)), np.zeros(len(sizes), bool)
    )


def said(mu: Array) -> Array:
    """Ranks of pairs [n, 2] of which the left is better with probability mu [n]: 1, 0 or 1/2."""
    return np.stack([mu < 0.5, mu > 0.5], axis=1).astype(np.int64)


def mu(c: Comparisons) -> Array:
    """[n] the other way round."""
    return 0.5 * (1 + np.sign(c.ranks[:, 1] - c.ranks[:, 0]))


def some(c: Comparisons, rows) -> Comparisons:
    """These rows of them, of all clips."""
    return c.rows(rows)


def left(c: Comparisons) -> Steps:
    """The first clip of each row."""
    return c.clips[c.shown[:, 0]]


def right(c: Comparisons) -> Steps:
    """The second clip of each row."""
    return c.clips[c.shown[:, 1]]


def led_to(rollout: Rollout, after: Array) -> Rollout:
    """The rollout with other observations after its actions."""
    ends = tuple((t, i, after[t, i]) for t, i in np.ndindex(rollout.true_reward.shape))
    return replace(rollout, last=after[-1], ends=ends)
