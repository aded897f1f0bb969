"""A learned reward that is no longer trained."""

from __future__ import annotations

from rlhp.types import Array, Evidence, Metrics, RewardModel, Rollout, Steps


class Frozen:
    """Wraps a reward model so that evidence does not change it.

    Its snapshot is the model's, so a resumed run has the same reward, however the run that the model came from has continued.
    """

    def __init__(self, model: RewardModel) -> None:
        self._model = model

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step, [T, N]."""
        return self._model(rollout)

    def predict_members(self, steps: Steps) -> Array:
        """Each member's rewards, [M, n, L]."""
        return self._model.predict_members(steps)

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Nothing to do."""
        return {}

    def snapshot(self) -> dict[str, Array]:
        """The snapshot of the model."""
        return self._model.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot of a model with the same settings."""
        self._model.restore(state)
