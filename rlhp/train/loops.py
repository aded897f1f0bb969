"""The training loops that a run can use, built from the components of its setup."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, cast

import torch
from hydra.utils import instantiate

from rlhp import evaluate
from rlhp.agent import Blind, Cloner, stack_frames
from rlhp.coaching import coach
from rlhp.imitate import clone
from rlhp.loop import learn
from rlhp.query import Demonstrated
from rlhp.train.people import HumanTrainer, taught_by_people
from rlhp.types import Array, Demonstrations, Filming, Loop, Memory, Metrics, Run, Setup, Stateful, Store, Trainer, UserError


def preferences(setup: Setup) -> Loop:
    """The paper's loop; reward models that learn from demonstrations use it too."""
    _check_demonstrations(setup)
    demonstrated = setup.demonstrations.transitions() if setup.demonstrations else None
    first = _demonstrated(setup)

    def loop(store: Store, run: Run) -> None:
        _film(setup, store)
        learn(
            setup.agent,
            setup.memory,
            setup.query,
            setup.teacher,
            store,
            setup.reward,
            setup.schedule,
            setup.training_schedule,
            run,
            total_steps=setup.total_steps,
            max_pending=setup.max_pending,
            demonstrations=demonstrated,
            demonstrate=first,
        )
        run.warn("demo_labels", _not_compared(setup.settings["demo_labels"] - store.demonstrated))

    return loop


def _film(setup: Setup, store: Store) -> None:
    """Let the number of environments that keep frames follow the number of queries asked."""
    sources = setup.sources
    if sources is not None and isinstance(setup.env, Filming):
        setup.env.film(lambda: sources(store.asked))


def _check_demonstrations(setup: Setup) -> None:
    """Raise UserError if there are demonstrations that nothing would learn from."""
    readers = (setup.settings["demo_labels"], getattr(setup.reward, "watches", False), initial_policy(setup).get("demos"))
    if setup.demonstrations is not None and not any(readers):
        raise UserError(
            "these settings do not use demos=...; choose condition=cloning or gail, agent/start=demonstrations or demo_labels."
        )


def initial_policy(setup: Setup) -> Mapping[str, Any]:
    """The settings of the agent's initial policy; empty to start from scratch."""
    return setup.settings["agent"].get("start") or {}


def check_from_scratch(setup: Setup) -> None:
    """Raise UserError if the agent would start from a policy that this loop replaces."""
    if initial_policy(setup):
        raise UserError(
            "this condition trains a new policy on the expert's actions: remove agent/start, or choose another condition."
        )


def _demonstrated(setup: Setup) -> Callable[[Memory, Store, int], None]:
    """The function that adds `demo_labels` comparisons answered by the demonstrations."""
    settings = setup.settings
    if settings["demo_labels"] == 0:
        return lambda memory, store, step: None
    found, length = _required_demonstrations(setup), int(settings["clip_steps"])
    put = Demonstrated(demonstrations=found, number=settings["demo_labels"], length=length, seed=settings["seed"])
    put.check(setup)
    return put


def _not_compared(missing: int) -> str:
    """The reason for which comparisons with demonstrations are missing, or an empty text."""
    if missing <= 0:
        return ""
    return f"memory never held as many clips as demo_labels={missing}, so those are not used; lower it, or clip_steps"


class Cloning:
    """Behaviour cloning: fits the agent's policy to the demonstrations; the steps of a run are gradient steps.

    Every `evaluate_every` gradient steps the policy acts for `evaluate_episodes` episodes, which measure its true return and are
    not trained on: with its mode where actions are continuous, else with samples. `fit` are settings of `rlhp.agent.Cloner`.
    Raises UserError without demonstrations, and for numbers below 1.
    """

    def __init__(self, setup: Setup, *, evaluate_every: int, evaluate_episodes: int, **fit: Any) -> None:
        if evaluate_every < 1 or evaluate_episodes < 1:
            raise UserError("cloning needs evaluate_every, in gradient steps, and evaluate_episodes of at least 1.")
        check_from_scratch(setup)
        self._every, self._setup = evaluate_every, setup
        self._data = _required_demonstrations(setup).transitions()
        agent = cast(Blind, setup.agent)
        mode = evaluate.by_mode(setup.env.action_space)  # type: ignore[attr-defined]
        self._evaluate = partial(returns, setup, evaluate_episodes, partial(agent.act, deterministic=mode))
        self._cloner = Cloner(agent, total_steps=setup.total_steps, **fit)

    def __call__(self, store: Store, run: Run) -> None:
        """Run the loop to its end."""
        clone(self._cloner, self._data, self._evaluate, run, total_steps=self._setup.total_steps, every=self._every)

    def snapshot(self) -> dict[str, Array]:
        """The state of the fit."""
        return self._cloner.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._cloner.restore(state)


class Coaching:
    """The agent learns from a trainer's feedback on single actions; the steps of a run are environment steps.

    With teacher=human the trainer is a person who watches it act at a page.
    """

    def __init__(self, setup: Setup, *, trainer: Callable[[Setup], Trainer]) -> None:
        self._setup = setup
        self._trainer: Trainer = HumanTrainer(setup) if taught_by_people(setup) else trainer(setup)

    def __call__(self, store: Store, run: Run) -> None:
        """Run the loop to its end."""
        with self._trainer.present(run) if isinstance(self._trainer, HumanTrainer) else nullcontext():
            coach(self._setup.agent, self._trainer, run, total_steps=self._setup.total_steps)

    def snapshot(self) -> dict[str, Array]:
        """The state of the trainer."""
        return self._trainer.snapshot() if isinstance(self._trainer, Stateful) else {}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        if isinstance(self._trainer, Stateful):
            self._trainer.restore(state)


def _required_demonstrations(setup: Setup) -> Demonstrations:
    if setup.demonstrations is None:
        raise UserError(
            "this condition needs demonstrations; set demos=... to a folder written by rlhp demonstrate or rlhp play."
        )
    return setup.demonstrations


def returns(setup: Setup, episodes: int, act: Callable[[Array], Array]) -> Metrics:
    """Mean, minimum and number of the true returns of whole episodes in new environments, with the same seeds at each call."""
    torch.manual_seed(setup.settings["seed"])
    node = {**setup.settings["env"], "n_envs": min(episodes, 10), "seed": setup.settings["seed"] + EVALUATION}
    env = stack_frames(instantiate(node, _convert_="all"))
    try:
        found = evaluate.returns(act, env, episodes)
    finally:
        env.close()
    return {"true_return": float(found.mean()), "true_return_min": float(found.min()), "episodes": float(len(found))}


EVALUATION = 1_000_000  # added to a run's seed for the environments in which its policy is evaluated
