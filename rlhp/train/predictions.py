"""Records the predictions of r-hat for answers before it trains on them, for an unbiased measure of agreement with people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlhp.run.predictions import Prediction, add_predictions, keep_predictions
from rlhp.store import FirstUse, Store, used_after
from rlhp.types import Segment, UserError


class Predictions:
    """Adds the queries of new answers to `predictions.csv` of the run; called before each fit.

    Each query counts once: r-hat has already trained on it when other people answer it later. Before the `first` labels r-hat has
    not been fitted and predicts nothing. This only reads, so it does not change the results of the training.
    """

    def __init__(self, run: Path, store: Store, predict: Callable[[Segment], float], first: int, step: int) -> None:
        """Continue from the run's checkpoint at `step`; `predict` returns the predicted return of a clip."""
        keep_predictions(run, step)
        self._run, self._store, self._predict, self._first, self._step = run, store, predict, first, step

    def __call__(self) -> None:
        """Predict the queries collected since the last call."""
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
            raise UserError(f"{self._store.path} lacks the clip {clip}: restore a copy of it.")
        return self._predict(segment)
