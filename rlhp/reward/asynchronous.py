"""Fits a reward model while the policy learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlhp.finite import check_predicted
from rlhp.reward.fit_process import FitProcess, Make, State, can_pickle
from rlhp.types import Array, Checked, Evidence, Metrics, Rollout, Setup, Steps

FITTED = "fit/"  # prefix of a fit's metrics in a snapshot


class AsynchronousReward:
    """Fits a reward model in the background; predictions wait until the fit is done.

    The paper's processes 1 and 3 run at the same time (section 2.2), and so do they here. Results do not depend on the speed of
    the machine: r-hat always comes from the last fit started. With one thread, the fit runs when a caller waits for it, with the
    same results. With more threads it runs in a subprocess; until the subprocess is ready, fits run as with one thread. New
    comparisons are only ever appended.

    `watches`: whether the model is also fitted to the newest rollout. `chosen`: describes the networks where no setting names
    them.
    """

    def __init__(self, make: Make, threads: int) -> None:
        self._make, self._use_process = make, threads > 1 and can_pickle(make)
        self._model = make()  # predicts; it loads the snapshots of the subprocess
        self.watches = bool(getattr(self._model, "watches", False))
        self.chosen = str(getattr(self._model, "chosen", ""))
        self._starting: FitProcess | None = None  # a subprocess that is starting
        self._fit_process: FitProcess | None = None  # the same subprocess, from its first fit on
        self._pending: tuple[Evidence, int] | None = None
        # called before a fit starts, when r-hat has not learned from the new answers yet
        self.before: Callable[[], None] = lambda: None
        self._fitted: Metrics = {}

    def check(self, setup: Setup) -> None:
        """Raise UserError if the model does not work with the other components."""
        if isinstance(self._model, Checked):
            self._model.check(setup)

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step [T, N] after the last fit. Raises UserError if it is not finite."""
        self._wait()
        predicted = self._model(rollout)
        check_predicted(predicted)
        return predicted

    def predict_members(self, steps: Steps) -> Array:
        """Each member's rewards [M, n, L] after the last fit."""
        self._wait()
        return self._model.predict_members(steps)

    def fitted(self) -> Metrics:
        """The metrics of the last fit started, returned once; waits for it."""
        self._wait()
        metrics, self._fitted = self._fitted, {}
        return dict(sorted(metrics.items()))  # the order of metrics that a snapshot restores

    def begin(self, evidence: Evidence, gradient_steps: int) -> None:
        """Start a fit after the previous one has ended; without evidence there is nothing to do."""
        self._wait()
        self.before()
        if len(evidence.comparisons) == 0 and evidence.behaviour is None:
            return
        self._pending = evidence, gradient_steps
        self._switch_to_process()
        if self._fit_process is not None:
            self._fit_process.start_fit(evidence, gradient_steps)

    def _switch_to_process(self) -> None:
        """Start a subprocess, or use it from now on if it is ready."""
        if self._fit_process is not None or not self._use_process:
            return
        if self._starting is None:
            self._starting = FitProcess(self._make)
        elif self._starting.ready:
            self._starting.restore(self._model.snapshot())
            self._fit_process = self._starting

    def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if self._fit_process is not None:
            self._fitted, state = self._fit_process.result()
            self._model.restore(state)
        else:
            self._fitted = self._model.fit(*pending)

    def snapshot(self) -> State:
        """The model after the last fit, and that fit's metrics, which have not been returned yet."""
        self._wait()
        return {**self._model.snapshot(), **{f"{FITTED}{name}": np.array(value) for name, value in self._fitted.items()}}

    def restore(self, state: State) -> None:
        """Continue from a snapshot of a model with the same settings."""
        self._wait()
        self._fitted = {name.removeprefix(FITTED): float(value) for name, value in state.items() if name.startswith(FITTED)}
        self._model.restore(model_state(state))
        if self._fit_process is not None:
            self._fit_process.restore(model_state(state))


def model_state(state: State) -> State:
    """The model's entries of a snapshot."""
    return {name: value for name, value in state.items() if not name.startswith(FITTED)}
