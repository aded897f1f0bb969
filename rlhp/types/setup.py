"""All components of a run, and the check that they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from rlhp.types.protocols import (
    Agent,
    Env,
    Loop,
    Memory,
    QuerySelector,
    Reward,
    Schedule,
    Teacher,
    TrainingSchedule,
)
from rlhp.types.rollouts import Demonstrations


@dataclass(frozen=True, slots=True)
class Setup:
    """All components of a run and their common settings, so that a component can check before training that they fit."""

    env: Env
    agent: Agent
    memory: Memory
    query: QuerySelector
    teacher: Teacher
    reward: Reward
    schedule: Schedule
    training_schedule: TrainingSchedule
    tracker: Any
    total_steps: int
    max_pending: int | None
    reset_interval: int | None  # steps after which some environments are reset
    settings: Mapping[str, Any]  # all of them, for a component that has to match those of another run
    demonstrations: Demonstrations | None = None
    loop: Loop | None = None  # None: not built yet; it is built last, from all other components
    sources: Callable[[int], int] | None = None  # queries asked -> environments that segments are cut from; None: all


@runtime_checkable
class Checked(Protocol):
    """A component that can check whether it works with the others."""

    def check(self, setup: Setup) -> None:
        """Raises UserError if it does not, with a sentence that says what to change."""
        ...
