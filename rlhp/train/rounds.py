"""Imitation in rounds of an expert that can be asked: DAgger and SMILe, made of the parts of a run's setup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from hydra.utils import instantiate

from rlhp.agent import Blind, Shares, Student, geometric, newest, stack_frames
from rlhp.evaluate import by_mode, visited
from rlhp.imitate import Gather, all_rounds, asked, interact, newest_round
from rlhp.train.job import load
from rlhp.train.loops import check_from_scratch, returns
from rlhp.train.people import HumanExpert, taught_by_people
from rlhp.types import Array, Metrics, Policy, Run, Setup, Store, Transitions, UserError, make_rng

# by which numbers the policy is chosen that remains: the higher the better, the latest of equals
SCORES: Mapping[str, Callable[[Metrics], float]] = {
    "true_return": lambda found: found["true_return"],
    "expert_error": lambda found: -found["expert_error"],
    "newest": lambda found: 0.0,
}


def dagger(setup: Setup, *, decay: float, **settings: Any) -> Interaction:
    """DAgger (Ross et al. 2011): the expert acts with probability beta_i = decay^(i-1), and all rounds are learned from.

    Settings as for `Interaction`. Raises UserError for a decay outside of [0, 1), and as `Interaction` does.
    """
    if not 0 <= decay < 1:
        raise UserError(f"loop.decay={decay}: what the expert's share of the actions falls by; set it to at least 0, below 1.")
    return Interaction(setup, partial(newest, decay=decay), all_rounds, **settings)


def smile(setup: Setup, *, alpha: float, **settings: Any) -> Interaction:
    """SMILe (Ross and Bagnell 2010): a mixture acts, to which each round adds a policy of share alpha (1 - alpha)^(n-1).

    Settings as for `Interaction`. Raises UserError for an alpha outside of (0, 1), and as `Interaction` does.
    """
    if not 0 < alpha < 1:
        raise UserError(f"loop.alpha={alpha} is the share of the first round's policy; set it between 0 and 1.")
    return Interaction(setup, partial(geometric, alpha=alpha), newest_round, **settings)


class Interaction:
    """A loop: rounds of `steps` environment steps, in `n_envs` new environments each, until `total_steps`.

    `expert` is the run whose policy labels what is visited; with teacher=human a person does, who watches one environment,
    whatever `n_envs` is, and is not asked after a round. After each round what was learned acts for `evaluate_episodes`
    episodes, in the same environments each time: `keep` says by which of their numbers the best is chosen. `true_return` knows
    the task's reward; `expert_error` asks the expert about all that is visited then instead; `newest` chooses nothing.
    The error on held-out steps is no choice: it is of other steps in every round, and the expert's own are the easiest.

    In whatever acts, continuous actions are the mode and discrete ones are drawn; the expert's labels are modes. A round is a
    function of the seed, its number, and what was learned before: nothing of it is saved before its end. `fit` are settings of
    `rlhp.agent.Student`. Raises UserError where there is no expert, or one of another task, and for numbers that do not fit.
    """

    def __init__(
        self,
        setup: Setup,
        shares: Shares,
        gather: Gather,
        *,
        expert: str | None,
        steps: int,
        n_envs: int,
        evaluate_episodes: int,
        keep: str,
        **fit: Any,
    ) -> None:
        check_from_scratch(setup)
        people = taught_by_people(setup)
        _check(setup, steps, 1 if people else n_envs, evaluate_episodes, keep)
        self._setup, self._agent, self._gather = setup, cast(Blind, setup.agent), gather
        self._episodes, self._score = evaluate_episodes, SCORES[keep]
        self._student = Student(self._agent, shares, seed=setup.settings["seed"], **fit)
        self._mode = by_mode(setup.env.action_space)  # type: ignore[attr-defined]
        if people:
            self._expert = _person(setup, steps, keep, self._mode)
        else:
            self._expert = _Trained(setup, _policy(setup, expert), steps, n_envs, self._mode)

    def __call__(self, store: Store, run: Run) -> None:
        """Learn to the end."""
        with self._expert.present(run):
            interact(
                self._student,
                self._expert.policy,
                self._expert.visit,
                self._expert.label,
                self._gather,
                self._evaluate,
                self._score,
                run,
                total_steps=self._setup.total_steps,
                demonstrations=self._setup.demonstrations.transitions() if self._setup.demonstrations else None,
            )

    def _evaluate(self) -> Metrics:
        """Returns of what was learned so far, and how far its actions are from the expert's where it goes."""
        errors: list[Array] = []

        def act(obs: Array) -> Array:
            actions = self._agent.act(obs, self._mode)
            errors.append(self._expert.errors(obs, actions))
            return actions

        found = returns(self._setup, self._episodes, act)
        apart = np.concatenate(errors)
        return {**found, "expert_error": float(np.mean(apart))} if len(apart) else found

    def snapshot(self) -> dict[str, Array]:
        """What was learned, and from what."""
        return self._student.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        self._student.restore(state)


class _Trained:
    """The policy of a run as the expert, in `n_envs` new environments a round."""

    def __init__(self, setup: Setup, policy: Policy, steps: int, n_envs: int, mode: bool) -> None:
        self.policy, self.label = policy, asked(policy)
        self._setup, self._steps, self._n_envs, self._mode = setup, steps, n_envs, mode

    def present(self, run: Run) -> AbstractContextManager[None]:
        """It always is."""
        return nullcontext()

    def visit(self, policy: Policy, number: int) -> Transitions:
        """One round's steps, in environments of its own."""
        env = _new(self._setup, self._n_envs, number)
        try:
            return visited(partial(policy.act, deterministic=self._mode), env, self._steps // self._n_envs)
        finally:
            env.close()

    def errors(self, obs: Array, actions: Array) -> Array:
        """How far actions at these observations are from its own, [n]."""
        return distance(actions, self.policy.act(obs), continuous=self._mode)


def _person(setup: Setup, steps: int, keep: str, mode: bool) -> HumanExpert:
    if keep == "expert_error":
        raise UserError("a person is not asked about what the policy does after a round; set loop.keep=newest or true_return.")
    return HumanExpert(setup, steps, partial(_new, setup, 1), mode)


def distance(actions: Array, expert: Array, continuous: bool) -> Array:
    """How far actions [n, *A] are from the expert's, [n]: the squared distance, or 1 where discrete ones differ."""
    rows = (len(actions), -1)
    if continuous:
        return np.square(actions.astype(np.float64) - expert).reshape(rows).sum(axis=1)
    return (actions != expert).reshape(rows).any(axis=1).astype(np.float64)


def _check(setup: Setup, steps: int, n_envs: int, episodes: int, keep: str) -> None:
    if n_envs < 1 or episodes < 1 or steps < n_envs or steps % n_envs:
        raise UserError(
            f"loop.steps={steps}, loop.n_envs={n_envs} and loop.evaluate_episodes={episodes}: give at least 1 of each, and a "
            "multiple of n_envs as steps."
        )
    if setup.total_steps % steps:
        raise UserError(f"total_steps={setup.total_steps} are no whole rounds of loop.steps={steps}; make it a multiple of them.")
    if keep not in SCORES:
        raise UserError(f"loop.keep={keep} is unknown; choose one of {', '.join(SCORES)}.")


def _policy(setup: Setup, run: str | None) -> Policy:
    if run is None:
        raise UserError("this way of learning asks an expert; name the run whose policy it is with expert=RUN.")
    trained = load(Path(run))
    task, ours = trained.settings["task"], setup.settings["task"]
    if task != ours:
        raise UserError(f"the expert {run} acts in env={task}, not in env={ours}; choose that environment, or another expert.")
    return trained.agent.acting_policy()


def _new(setup: Setup, n_envs: int, number: int) -> Any:
    """New environments of the run's task for a round, as its policy sees them; what acts draws by its seed too."""
    rng = make_rng(setup.settings["seed"], "round", number)
    torch.manual_seed(int(rng.integers(2**31)))
    seed = int(rng.integers(2**31))
    return stack_frames(instantiate({**setup.settings["env"], "n_envs": n_envs, "seed": seed}, _convert_="all"))
