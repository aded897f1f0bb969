"""The ways of learning that a run can be set to, each of the parts of its setup."""

from __future__ import annotations

from rlhp.loop import learn
from rlhp.types import Loop, Run, Setup, Store


def preferences(setup: Setup) -> Loop:
    """The paper's loop; a reward model that learns from demonstrations runs in it too."""
    demonstrated = setup.demonstrations.transitions() if setup.demonstrations else None

    def loop(store: Store, run: Run) -> None:
        learn(
            setup.agent,
            setup.memory,
            setup.query,
            setup.teacher,
            store,
            setup.reward,
            setup.schedule,
            setup.effort,
            run,
            total_steps=setup.total_steps,
            max_open=setup.max_open,
            demonstrations=demonstrated,
        )

    return loop
