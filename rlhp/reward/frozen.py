"""A learned reward that learns no more."""

from __future__ import annotations

from rlhp.types import Array, Evidence, Metrics, RewardModel, Rollout, Steps


class Frozen:
    """A reward model as it is: evidence changes nothing.

    Its snapshot is the model's, so that a run on it is resumed with the same reward, however the run it came from has gone on.
    """

    def __init__(self, model: RewardModel) -> None:
        self._model = model

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step, [T, N]."""
        return self._model(rollout)

    def predict_members(self, steps: Steps) -> Array:
        """The members apart, [M, n, L]."""
        return self._model.predict_members(steps)

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Nothing to do."""
        return {}

    def snapshot(self) -> dict[str, Array]:
        """The model's."""
        return self._model.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot of a model built alike."""
        self._model.restore(state)
