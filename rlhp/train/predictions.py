"""Writes down what r-hat says of answers that it has not learned from yet: how far it agrees with people, measured fairly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlhp.run.predictions import Prediction, add_predictions, keep_predictions
from rlhp.store import FirstUse, Store, used_after
from rlhp.types import Segment, UserError


class Predictions:
    """Called before each fit, it adds the questions of the answers that are new to `predictions.csv` of the run.

    A question counts once: later answers to it, by other people, are no longer new to r-hat. Before the `first` labels r-hat has
    not been fitted and says nothing. It reads alone: the numbers of the training do not depend on it.
    """

    def __init__(self, run: Path, store: Store, predict: Callable[[Segment], float], first: int, step: int) -> None:
        """Go on from the run's checkpoint at `step`; `predict` tells the return of a clip."""
        keep_predictions(run, step)
        self._run, self._store, self._predict, self._first, self._step = run, store, predict, first, step

    def __call__(self) -> None:
        """Predict what was taken since this was called last."""
        before, new = used_after(self._store.database, self._step)
        if not new:
            return
        self._step = new[-1].step
        if before >= max(self._first, 1):
            add_predictions(self._run, map(self._predicted, new))

    def _predicted(self, taken: FirstUse) -> Prediction:
        return Prediction(taken.step, taken.query, tuple(map(self._return, taken.clips)))

    def _return(self, clip: str) -> float:
        segment = self._store.segment(clip)
        if segment is None:
            raise UserError(f"{self._store.path} lacks the clip {clip}: put back a copy of it.")
        return self._predict(segment)
