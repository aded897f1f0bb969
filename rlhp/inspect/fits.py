"""Linear fits of a reward's mean at a state and of its value function, with the same features for every reward.

The fits are linear in the reward. Scaled rewards therefore keep a distance of 0, and so do shaped rewards if the features
distinguish all states. Shapes: n transitions, F features, R rewards fitted together, B blocks of consecutive transitions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlhp.types import Array, make_rng

WIDTH = 64  # number of random features, in addition to the observation's values
MOST = 64  # maximum number of values used directly; larger observations are projected to this many random directions
RIDGE = 1e-3  # relative to a feature's mean square; temporal differences are unstable where values hardly change


@dataclass(frozen=True, slots=True)
class Features:
    """A fixed map from states to F features: 1, the state's standardised values, and random ReLU features of them."""

    mean: Array
    scale: Array
    project: Array | None  # [numbers, MOST]; None for up to MOST values
    weight: Array  # [inputs, WIDTH]
    offset: Array  # [WIDTH]

    def __call__(self, states: Array) -> Array:
        """Map states [n, ...] to features [n, F]."""
        x = (states.reshape(len(states), -1).astype(np.float64) - self.mean) * self.scale
        x = np.clip(x if self.project is None else x @ self.project, -5, 5)
        return np.concatenate([np.ones((len(x), 1)), x, np.maximum(x @ self.weight + self.offset, 0)], axis=1)


def features(states: Array, seed: int = 0) -> Features:
    """Create features for states like these [n, ...]; the same seed gives the same features."""
    x, rng = states.reshape(len(states), -1).astype(np.float64), make_rng(seed, "inspect/features")
    mean, std = x.mean(axis=0), x.std(axis=0)
    scale = np.where(std > 1e-8, 1 / np.maximum(std, 1e-8), 0.0)
    numbers = int((scale > 0).sum())
    project = None
    if x.shape[1] > MOST:
        project = rng.standard_normal((x.shape[1], MOST)) / np.sqrt(max(numbers, 1))
    inputs = min(x.shape[1], MOST)
    weight = rng.standard_normal((inputs, WIDTH)) / np.sqrt(max(min(numbers, inputs), 1))
    return Features(mean, scale, project, weight, rng.uniform(-1, 1, WIDTH))


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over transitions for a linear fit, by block."""

    gram: Array  # [B, F, F]
    target: Array  # [B, F, R]
    size: Array  # [B, F] sums of squared features

    def weights(self, times: Array) -> Array:
        """Return the ridge fit [F, R] with block weights `times` [B]; the constant is not regularised."""
        gram, target, size = (np.tensordot(times, x, 1) for x in (self.gram, self.target, self.size))
        ridge = RIDGE * size + 1e-12
        ridge[0] = 0.0
        return np.linalg.lstsq(gram + np.diag(ridge), target, rcond=None)[0]


def averages(phi: Array, rewards: Array, chosen: Array, block: Array) -> Sums:
    """Fit mean rewards at each state over `chosen` [n] transitions by least squares: phi [n, F], rewards [n, R], block [n]."""
    return _sums(phi * chosen[:, np.newaxis], phi, rewards, block)


def values(phi: Array, phi_after: Array, ended: Array, rewards: Array, discount: float, block: Array) -> Sums:
    """Fit state values under the acting policy by least-squares temporal differences (Bradtke and Barto 1996).

    phi, phi_after [n, F]: features before and after each transition; `ended` [n]: terminal transitions; rewards [n, R].
    """
    return _sums(phi, phi - discount * phi_after * (1.0 - ended)[:, np.newaxis], rewards, block)


def _sums(left: Array, right: Array, rewards: Array, block: Array) -> Sums:
    rows = [np.flatnonzero(block == b) for b in range(int(block.max()) + 1)]
    gram, target = (np.stack([left[r].T @ x[r] for r in rows]) for x in (right, rewards))
    return Sums(gram, target, np.stack([(left[r] ** 2).sum(axis=0) for r in rows]))
