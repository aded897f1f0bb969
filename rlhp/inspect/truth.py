"""Compare r-hat with the true reward on clips that no question was about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from rlhp.analysis import RunData
from rlhp.inspect import hacking, ranks
from rlhp.inspect.estimate import Estimate, absent, bootstrap, correlated, correlation
from rlhp.types import Array

PARTS, LEAST = 10, 4  # maximum number of parts of the run, minimum number of clips per part
FIXED = 0.5  # minimum share of rollouts after the last fit for a series of only these rollouts


@dataclass(frozen=True, slots=True)
class Rewards:
    """Rewards of n clips of L steps."""

    members: Array  # [M, n, L] calibrated
    true: Array  # [n, L]; NaN if unknown or hidden
    hidden: str = ""  # why the true reward is hidden

    @property
    def predicted(self) -> Array:
        """r-hat, [n, L]."""
        return self.members.mean(axis=0)

    def blind(self, why: str) -> Rewards:
        """Return a copy without the true rewards."""
        return replace(self, true=np.full_like(self.true, np.nan, dtype=float), hidden=why)

    def joined(self, more: Rewards) -> Rewards:
        """Return these clips followed by others."""
        if not len(self.true) or not len(more.true):
            return more if len(more.true) else self
        return Rewards(np.concatenate([self.members, more.members], axis=1), np.concatenate([self.true, more.true]), self.hidden)

    @property
    def missing(self) -> str:
        """Why the true reward is unknown; empty if it is known."""
        if not len(self.true):
            return "no clips were held out"
        return "" if np.isfinite(self.true).all() else self.hidden or "the true reward is unknown"


def of_clips(rewards: Rewards) -> Estimate:
    """Return the correlation of the clips' predicted and true returns."""
    if rewards.missing:
        return absent(rewards.missing)
    return correlation(rewards.predicted.sum(axis=1), rewards.true.sum(axis=1))


def of_steps(rewards: Rewards) -> Estimate:
    """Return the correlation of single steps; the bootstrap samples the steps of a clip together."""
    if rewards.missing:
        return absent(rewards.missing)
    clip = np.repeat(np.arange(len(rewards.true)), rewards.true.shape[1])
    return correlation(rewards.predicted.ravel(), rewards.true.ravel(), clip)


@dataclass(frozen=True, slots=True)
class Order:
    """Mean rewards per step of the policies of a run."""

    tau: Estimate
    predicted: Array  # [P]
    true: Array  # [P]


def order(rewards: Rewards) -> Order:
    """Rank the policies of consecutive parts of a run, represented by their held-out clips, which are in training order."""
    if rewards.missing:
        return Order(absent(rewards.missing), np.zeros(0), np.zeros(0))
    cut = ranks.parts(len(rewards.true), PARTS, LEAST)
    predicted, true = ([x.mean(axis=1)[part] for part in cut] for x in (rewards.predicted, rewards.true))
    return Order(ranks.order(predicted, true), *(np.array([clips.mean() for clips in x]) for x in (predicted, true)))


@dataclass(frozen=True, slots=True)
class Series:
    """Predicted and true reward per step over training, under the same r-hat."""

    step: Array
    predicted: Array
    true: Array
    source: str  # description of the data


def series(run: RunData, rewards: Rewards) -> Series | None:
    """Return the rollouts since the last fit if they are most of the run, else the held-out clips; None if neither is known."""
    if rewards.hidden:
        return None
    fixed = _since_last_fit(run)
    if fixed is not None:
        return fixed
    if rewards.missing or not run.step:
        return None
    step = (np.arange(len(rewards.true)) + 0.5) / len(rewards.true) * run.step
    return Series(step, rewards.predicted.mean(axis=1), rewards.true.mean(axis=1), "held-out clips, by the newest r-hat")


def _since_last_fit(run: RunData) -> Series | None:
    columns = [run.metrics.get(name) for name in ("step", "reward_mean", "true_reward")]
    if any(column is None for column in columns):
        return None
    step, predicted, true = (np.asarray(column) for column in columns)
    fits = np.maximum.accumulate(np.nan_to_num(run.metrics.get("fit_steps", np.zeros(len(step)))))
    used = np.isfinite(predicted) & np.isfinite(true)
    rows = used & (fits == fits.max(initial=0))
    if rows.sum() < max(hacking.FEWEST, FIXED * used.sum()):
        return None
    return Series(step[rows], predicted[rows], true[rows], "every rollout since r-hat was last fitted")


def members_agree(rewards: Rewards) -> Estimate:
    """Return the mean correlation of two members over the clips' returns."""
    returns = rewards.members.sum(axis=2)
    if len(returns) < 2:
        return absent("a single member cannot disagree")
    pairs = list(combinations(range(len(returns)), 2))

    def agreement(rows: Array) -> float:
        return float(np.mean([correlated(returns[i, rows], returns[j, rows]) for i, j in pairs]))

    return bootstrap(agreement, returns.shape[1], missing="a member is constant over these clips")


def spread(labelled: Array, newest: Array) -> Estimate:
    """Return the ratio of the members' disagreement on newest to that on labelled clips; rewards [M, n, L], [M, m, L]."""
    if len(labelled) < 2:
        return absent("a single member cannot disagree")
    if not labelled.shape[1] or not newest.shape[1]:
        return absent("there are no labelled clips, or no newer ones, to compare")
    one, other = (rewards.mean(axis=2).std(axis=0) for rewards in (labelled, newest))
    both, first = np.concatenate([one, other]), len(one)

    def ratio(rows: Array) -> float:
        old, new = both[rows[rows < first]], both[rows[rows >= first]]
        return float(new.mean() / old.mean()) if len(old) and len(new) and old.mean() > 0 else float("nan")

    return bootstrap(ratio, len(both), missing="the members do not disagree at all")
