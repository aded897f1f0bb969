"""Imitation of an expert in rounds, DAgger and SMILe, built from the components of a run's setup."""

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

# scores by which the final policy is chosen: higher is better, and the latest of equal ones
SCORES: Mapping[str, Callable[[Metrics], float]] = {
    "true_return": lambda found: found["true_return"],
    "expert_error": lambda found: -found["expert_error"],
    "newest": lambda found: 0.0,
}


def dagger(setup: Setup, *, decay: float, **settings: Any) -> Interaction:
    """DAgger (Ross et al. 2011): the expert acts with probability beta_i = decay^(i-1), and the policy is trained on all rounds.

    Settings as for `Interaction`. Raises UserError for a decay outside of [0, 1), and as `Interaction` does.
    """
    if not 0 <= decay < 1:
        raise UserError(
            f"loop.decay={decay} is the factor of the expert's share of actions per round; set it to at least 0 and below 1."
        )
    return Interaction(setup, partial(newest, decay=decay), all_rounds, **settings)


def smile(setup: Setup, *, alpha: float, **settings: Any) -> Interaction:
    """SMILe (Ross and Bagnell 2010): a mixture acts; each round adds a policy with weight alpha (1 - alpha)^(n-1).

    Settings as for `Interaction`. Raises UserError for an alpha outside of (0, 1), and as `Interaction` does.
    """
    if not 0 < alpha < 1:
        raise UserError(f"loop.alpha={alpha} is the weight of the first round's policy; set it between 0 and 1.")
    return Interaction(setup, partial(geometric, alpha=alpha), newest_round, **settings)


class Interaction:
    """A loop of rounds, each with `steps` environment steps in `n_envs` new environments, until `total_steps`.

    `expert` is the run whose policy labels the visited states. With teacher=human a person does; they watch one environment,
    whatever `n_envs` is, and are not asked after a round. After each round the learned policy acts for `evaluate_episodes`
    episodes, in the same environments each time, and `keep` names the score by which the best policy is chosen: `true_return`
    uses the task's reward; `expert_error` compares its actions with the expert's at all states it visits there; `newest` keeps
    the latest. The error on held-out steps is not offered: those steps differ in every round, and the expert's own are the
    easiest.

    Every policy acts with the mode of continuous actions and samples discrete ones; the expert's labels are modes. A round
    depends only on the seed, its number, and the earlier rounds, so nothing of it is saved before its end. `fit` are settings of
    `rlhp.agent.Student`. Raises UserError without an expert, for an expert of another task, and for inconsistent numbers.
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
            self._expert = _PolicyExpert(setup, _policy(setup, expert), steps, n_envs, self._mode)

    def __call__(self, store: Store, run: Run) -> None:
        """Run the loop to its end."""
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
        """The returns of the learned policy, and the distance of its actions from the expert's at the states it visits."""
        errors: list[Array] = []

        def act(obs: Array) -> Array:
            actions = self._agent.act(obs, self._mode)
            errors.append(self._expert.errors(obs, actions))
            return actions

        found = returns(self._setup, self._episodes, act)
        distances = np.concatenate(errors)
        return {**found, "expert_error": float(np.mean(distances))} if len(distances) else found

    def snapshot(self) -> dict[str, Array]:
        """The state of the student and its data."""
        return self._student.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._student.restore(state)


class _PolicyExpert:
    """The policy of a run as the expert, in `n_envs` new environments per round."""

    def __init__(self, setup: Setup, policy: Policy, steps: int, n_envs: int, mode: bool) -> None:
        self.policy, self.label = policy, asked(policy)
        self._setup, self._steps, self._n_envs, self._mode = setup, steps, n_envs, mode

    def present(self, run: Run) -> AbstractContextManager[None]:
        """Nothing to do: a policy is always available."""
        return nullcontext()

    def visit(self, policy: Policy, number: int) -> Transitions:
        """The steps of one round, in new environments."""
        env = _new(self._setup, self._n_envs, number)
        try:
            return visited(partial(policy.act, deterministic=self._mode), env, self._steps // self._n_envs)
        finally:
            env.close()

    def errors(self, obs: Array, actions: Array) -> Array:
        """The distances [n] of these actions from the expert's at these observations."""
        return distance(actions, self.policy.act(obs), continuous=self._mode)


def _person(setup: Setup, steps: int, keep: str, mode: bool) -> HumanExpert:
    if keep == "expert_error":
        raise UserError("a person is not asked after a round; set loop.keep=newest or loop.keep=true_return.")
    return HumanExpert(setup, steps, partial(_new, setup, 1), mode)


def distance(actions: Array, expert: Array, continuous: bool) -> Array:
    """The distances [n] of actions [n, *A] from the expert's: squared, or 1 where discrete ones differ."""
    rows = (len(actions), -1)
    if continuous:
        return np.square(actions.astype(np.float64) - expert).reshape(rows).sum(axis=1)
    return (actions != expert).reshape(rows).any(axis=1).astype(np.float64)


def _check(setup: Setup, steps: int, n_envs: int, episodes: int, keep: str) -> None:
    if n_envs < 1 or episodes < 1 or steps < n_envs or steps % n_envs:
        raise UserError(
            f"loop.steps={steps}, loop.n_envs={n_envs} and loop.evaluate_episodes={episodes}: give at least 1 of each, and a "
            "multiple of n_envs for steps."
        )
    if setup.total_steps % steps:
        raise UserError(f"total_steps={setup.total_steps} is not a multiple of loop.steps={steps}; set it to one.")
    if keep not in SCORES:
        raise UserError(f"loop.keep={keep} is unknown; choose one of {', '.join(SCORES)}.")


def _policy(setup: Setup, run: str | None) -> Policy:
    if run is None:
        raise UserError("this condition needs an expert; set expert=RUN to the run of its policy.")
    trained = load(Path(run))
    task, ours = trained.settings["task"], setup.settings["task"]
    if task != ours:
        raise UserError(f"the expert {run} acts in env={task}, not in env={ours}; choose that environment or another expert.")
    return trained.agent.acting_policy()


def _new(setup: Setup, n_envs: int, number: int) -> Any:
    """New environments of the run's task for a round, as its policy reads them; also seeds the sampling of actions."""
    rng = make_rng(setup.settings["seed"], "round", number)
    torch.manual_seed(int(rng.integers(2**31)))
    seed = int(rng.integers(2**31))
    return stack_frames(instantiate({**setup.settings["env"], "n_envs": n_envs, "seed": seed}, _convert_="all"))
