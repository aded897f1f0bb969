"""An agent that learns from an expert in rounds, with the policies of all rounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rlhp.agent.blind import Blind
from rlhp.agent.cloning import Cloner
from rlhp.agent.frozen_policy import FrozenPolicy
from rlhp.agent.mixture import Mixture
from rlhp.agent.shares import without_expert
from rlhp.agent.state import part
from rlhp.types import Array, Metrics, Policy, Transitions, UserError, make_rng

CHECKS = 20  # evaluations on the held-out steps during a fit
Shares = Callable[[int], Array]  # of `rlhp.agent.shares`


class Student:
    """Fits one policy per round, each from the same untrained network, and keeps them all.

    `shares` gives the probabilities of expert and policies in the next round. Without the expert they define the mixture learned
    so far; the agent acts by that of the round with the highest score. `fit` are settings of `Cloner`; a fit takes `fit_steps`
    gradient steps.
    """

    def __init__(self, agent: Blind, shares: Shares, *, fit_steps: int, seed: int, **fit: Any) -> None:
        if fit_steps < CHECKS:
            raise UserError(f"fit_steps is {fit_steps}, but the fit of a round needs at least {CHECKS} gradient steps; raise it.")
        self.data: Transitions | None = None  # what the next policy is fitted to
        self.steps = 0  # environment steps made so far
        self._agent, self._shares, self._seed, self._fit_steps, self._fit = agent, shares, seed, fit_steps, fit
        self._untrained = agent.frozen_policy()
        self._policies: list[FrozenPolicy] = []
        self._scores: list[float] = []

    @property
    def fitted(self) -> int:
        """The number of policies fitted so far."""
        return len(self._policies)

    def actor(self, expert: Policy) -> Policy:
        """The mixture of the expert and the policies so far that acts in the next round."""
        return Mixture([expert, *self._policies], self._shares(self.fitted))

    def fit(self) -> Metrics:
        """Fit a policy to `data`; the agent then acts by the mixture of all its policies."""
        assert self.data is not None, "set `data` first"
        self._agent.become([self._untrained], np.ones(1))
        seed = int(make_rng(self._seed, "student", self.fitted).integers(2**31))
        cloner = Cloner(self._agent, total_steps=self._fit_steps, seed=seed, **self._fit)
        checks = [self._fit_steps * check // CHECKS for check in range(1, CHECKS + 1)]
        metrics = [cloner.fit(self.data, until) for until in checks][-1] | cloner.finish(self.data)
        self._policies.append(self._agent.frozen_policy())
        self._act_as_of(self.fitted)
        return metrics

    def keep_best(self, score: float) -> Metrics:
        """Score the mixture with the newest policy; the agent then acts as of the best round, the latest of equal ones."""
        self._scores.append(score)
        best = max(range(self.fitted), key=lambda i: (self._scores[i], i)) + 1
        self._act_as_of(best)
        return {"best_round": float(best)}

    def _act_as_of(self, fitted: int) -> None:
        self._agent.become(self._policies[:fitted], without_expert(self._shares(fitted)))

    def snapshot(self) -> dict[str, Array]:
        """The policies, their scores and the data; the mixture that acts is in the agent's snapshot."""
        data = {} if self.data is None else {f"data/{k}": getattr(self.data, k) for k in ("obs", "act", "next_obs")}
        policies = {f"policies/{i}/{k}": v for i, p in enumerate(self._policies) for k, v in p.snapshot().items()}
        return {**data, **policies, "scores": np.array(self._scores, np.float64), "steps": np.array(self.steps)}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        data, self._scores, self.steps = part(state, "data"), state["scores"].tolist(), int(state["steps"])
        self.data = Transitions(**{k: v.copy() for k, v in data.items()}) if data else None
        self._policies = [self._agent.frozen_policy() for _ in self._scores]
        for i, policy in enumerate(self._policies):
            policy.restore(part(state, f"policies/{i}"))
