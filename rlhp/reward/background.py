"""A reward model fitted while the policy learns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from rlhp.crew import Crew
from rlhp.types import Array, Comparisons, Metrics, Reward, Rollout, Stateful, Steps

BEHIND = 10  # threads of physics wait for each other at every step: a fit that goes on beside them must not hold one up


class Model(Reward, Stateful, Protocol):
    """A reward model that can be saved."""


class Background:
    """Fits a reward model in a thread of its own; whoever asks for r-hat waits until that is done.

    The paper's processes 1 and 3 run at the same time (section 2.2). So they do here, but which fit an r-hat is of does not
    depend on the speed of the machine: always the last one that was begun. With one thread the fit is made when somebody
    waits for it, and the numbers are the same.
    """

    def __init__(self, model: Model, threads: int) -> None:
        self._model = model
        self._crew = Crew(min(threads, 2), nice=BEHIND)
        self._begun: Iterator[tuple[Comparisons, int]] = iter(())
        self._busy = False
        self._metrics: Metrics = {}

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step [T, N], as of the last fit."""
        self._wait()
        return self._model(rollout)

    def each(self, steps: Steps) -> Array:
        """The members apart [M, n, L], as of the last fit."""
        self._wait()
        return self._model.each(steps)

    def fit(self, comparisons: Comparisons, effort: int) -> Metrics:
        """Begin to fit; returns what came of the fit before."""
        self._wait()
        metrics, self._metrics = dict(sorted(self._metrics.items())), {}  # in the order that a checkpoint gives them
        self._begun, self._busy = iter([(comparisons, effort)]), True
        self._crew.start(self._work)
        return metrics

    def _work(self) -> None:
        """The fit that was begun, for whichever thread comes first."""
        for comparisons, effort in self._begun:
            self._metrics = self._model.fit(comparisons, effort)

    def _wait(self) -> None:
        if self._busy:
            self._busy = False
            self._crew.finish(self._work)

    def snapshot(self) -> dict[str, Array]:
        """The model's, as of the last fit, and what came of it: nobody has been told yet."""
        self._wait()
        return {**self._model.snapshot(), **{f"fit/{name}": np.array(value) for name, value in self._metrics.items()}}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot of a model built alike."""
        self._wait()
        self._metrics = {name.removeprefix("fit/"): float(value) for name, value in state.items() if name.startswith("fit/")}
        self._model.restore({name: value for name, value in state.items() if not name.startswith("fit/")})
