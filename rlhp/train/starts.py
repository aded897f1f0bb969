"""Policies that an agent can start from: another run's, and a clone of the run's own demonstrations."""

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
    return FromPolicy(_OfRun(Path(run)), **settings)


class _OfRun:
    """The policy that another run has come to."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def check(self, setup: Setup) -> None:
        """Raises UserError where that run has no policy yet, or one that does not fit."""
        task = read_settings(self._run).get("task")
        if task != setup.settings["task"]:
            raise UserError(
                f"the policy of {self._run} is one for env={task}; start from a run on env={setup.settings['task']}, or train on "
                "that environment."
            )
        state = last_checkpoint(self._run)["agent"]
        if part(state, "mixture"):
            raise UserError(
                f"the policy of {self._run} is a mixture, which no single network can start from; name a run of one policy, "
                "such as condition=dagger."
            )
        check_fit(setup.agent, state, str(self._run))

    def __call__(self, agent: Any) -> None:
        """Give the agent that policy."""
        copy_actor(agent, last_checkpoint(self._run)["agent"])


def from_demonstrations(
    demos: str | None, episodes: int | None, *, cloning_steps: int, clone: dict[str, Any], **settings: Any
) -> FromPolicy:
    """A policy that is cloned from the run's demonstrations before its first step, in `cloning_steps` gradient steps.

    `clone` are settings of `Cloner`, and `settings` those of `FromPolicy`. Raises UserError for less than one gradient step.
    """
    if cloning_steps < 1:
        raise UserError(f"agent.start.cloning_steps counts gradient steps; set it to 1 or more, not {cloning_steps}.")
    return FromPolicy(_OfDemonstrations(demos, episodes, cloning_steps, clone), **settings)


class _OfDemonstrations:
    """A clone of demonstrations."""

    def __init__(self, demos: str | None, episodes: int | None, steps: int, settings: dict[str, Any]) -> None:
        self._demos, self._episodes, self._steps, self._settings = demos, episodes, steps, settings

    def check(self, setup: Setup) -> None:
        """Raises UserError where there are no demonstrations, or settings cannot be used."""
        if setup.demonstrations is None:
            raise UserError("agent.start clones demonstrations, and there are none; name them with demos=...")
        Cloner(setup.agent, total_steps=self._steps, **self._settings)  # type: ignore[arg-type]

    def __call__(self, agent: Any) -> None:
        """Fit the agent's policy; the one that suits the steps held out best is kept, as by condition=cloning."""
        assert self._demos is not None
        data = demonstrations.load(self._demos, agent.recorder.venv, self._episodes).transitions()
        cloner = Cloner(agent, total_steps=self._steps, **self._settings)
        for until in range(JUDGED_EVERY, self._steps + JUDGED_EVERY, JUDGED_EVERY):
            cloner.fit(data, min(until, self._steps))
        cloner.finish(data)


JUDGED_EVERY = 1000  # gradient steps after which a clone is compared with the best so far
