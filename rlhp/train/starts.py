"""Policies that an agent can start from: another run's, and a clone of the run's own demonstrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlhp.agent import FromPolicy
from rlhp.agent.start import check_fit, take_over
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
        check_fit(setup.agent, last_checkpoint(self._run)["agent"], str(self._run))

    def __call__(self, agent: Any) -> None:
        """Give the agent that policy."""
        take_over(agent, last_checkpoint(self._run)["agent"])
