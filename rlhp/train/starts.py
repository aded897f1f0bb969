"""Initial policies of an agent: another run's, or a clone of the run's demonstrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlhp import demonstrations
from rlhp.agent import Cloner, FromPolicy
from rlhp.agent.start import check_fit, copy_actor
from rlhp.agent.state import part
from rlhp.run import last_checkpoint, read_settings
from rlhp.types import Setup, UserError


def from_run(run: str, **settings: Any) -> FromPolicy:
    """The policy in the newest checkpoint of a run on the same task; `settings` are those of `FromPolicy`."""
    return FromPolicy(_PolicyOfRun(Path(run)), **settings)


class _PolicyOfRun:
    """The policy of another run."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def check(self, setup: Setup) -> None:
        """Raise UserError if that run has no policy yet, or one that does not fit."""
        task = read_settings(self._run).get("task")
        if task != setup.settings["task"]:
            raise UserError(
                f"the policy of {self._run} is for env={task}; start from a run on env={setup.settings['task']}, or train on "
                "that environment."
            )
        state = last_checkpoint(self._run)["agent"]
        if part(state, "mixture"):
            raise UserError(
                f"the policy of {self._run} is a mixture, which a single network cannot start from; give a run with one policy, "
                "such as condition=dagger."
            )
        check_fit(setup.agent, state, str(self._run))

    def __call__(self, agent: Any) -> None:
        """Copy the policy into the agent."""
        copy_actor(agent, last_checkpoint(self._run)["agent"])


def from_demonstrations(
    demos: str | None, episodes: int | None, *, cloning_steps: int, clone: dict[str, Any], **settings: Any
) -> FromPolicy:
    """A policy cloned from the run's demonstrations before its first step, in `cloning_steps` gradient steps.

    `clone` are settings of `Cloner`, and `settings` those of `FromPolicy`. Raises UserError for less than one gradient step.
    """
    if cloning_steps < 1:
        raise UserError(f"agent.start.cloning_steps counts gradient steps; set it to at least 1, not {cloning_steps}.")
    return FromPolicy(_ClonedPolicy(demos, episodes, cloning_steps, clone), **settings)


class _ClonedPolicy:
    """A policy cloned from demonstrations."""

    def __init__(self, demos: str | None, episodes: int | None, steps: int, settings: dict[str, Any]) -> None:
        self._demos, self._episodes, self._steps, self._settings = demos, episodes, steps, settings

    def check(self, setup: Setup) -> None:
        """Raise UserError if there are no demonstrations, or settings are invalid."""
        if setup.demonstrations is None:
            raise UserError("agent.start clones demonstrations, and there are none; set demos=...")
        Cloner(setup.agent, total_steps=self._steps, **self._settings)  # type: ignore[arg-type]

    def __call__(self, agent: Any) -> None:
        """Fit the agent's policy and keep the one with the best held-out result, as condition=cloning does."""
        assert self._demos is not None
        data = demonstrations.load(self._demos, agent.recorder.venv, self._episodes).transitions()
        cloner = Cloner(agent, total_steps=self._steps, **self._settings)
        for until in range(EVALUATED_EVERY, self._steps + EVALUATED_EVERY, EVALUATED_EVERY):
            cloner.fit(data, min(until, self._steps))
        cloner.finish(data)


EVALUATED_EVERY = 1000  # gradient steps between evaluations against the best clone so far
