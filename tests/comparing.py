"""Comparisons of clips that are given side by side."""

from dataclasses import replace

import numpy as np

from rlhp.types import Array, Clips, Comparisons, Rollout, Steps


def comparisons(left: Steps, right: Steps, mu: Array, weight: Array | None = None, query: Array | None = None) -> Comparisons:
    """Clip i of the left ones against clip i of the right ones."""
    obs, act, reward = (np.concatenate([getattr(side, name) for side in (left, right)]) for name in ("obs", "act", "true_reward"))
    n = len(mu)
    weight, query = np.ones(n, np.float32) if weight is None else weight, np.arange(n) if query is None else query
    return Comparisons(Clips(obs, act, reward), np.arange(n), n + np.arange(n), mu, weight, query)


def some(c: Comparisons, rows) -> Comparisons:
    """These rows of them, of all clips."""
    return Comparisons(c.clips, c.left[rows], c.right[rows], c.mu[rows], c.weight[rows], c.query[rows])


def left(c: Comparisons) -> Steps:
    """The left clip of each row."""
    return c.clips[c.left]


def right(c: Comparisons) -> Steps:
    """The right clip of each row."""
    return c.clips[c.right]


def led_to(rollout: Rollout, after: Array) -> Rollout:
    """The rollout with other observations after its actions."""
    ends = tuple((t, i, after[t, i]) for t, i in np.ndindex(rollout.true_reward.shape))
    return replace(rollout, last=after[-1], ends=ends)
