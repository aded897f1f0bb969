"""A reward model fitted while the policy learns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlhp.finite import check_predicted
from rlhp.reward.fit_process import FitProcess, Make, State, can_move
from rlhp.types import Array, Checked, Evidence, Metrics, Rollout, Setup, Steps

FITTED = "fit/"  # how the names of a fit's metrics begin in a snapshot


class AsynchronousReward:
    """Fits a reward model beside what its owner does; whoever asks for r-hat waits until that is done.

    The paper's processes 1 and 3 run at the same time (section 2.2). So they do here, but which fit an r-hat comes from does not
    depend on the speed of the machine: always from the last one that was begun. With one thread the fit is made when somebody
    waits for it, and the numbers are the same. With more threads a process makes the fits; until it is ready, they are made as
    with one thread. Comparisons only ever grow at their end.

    `watches`: whether the model is fitted to the newest rollout as well; `chosen`: its networks, in words, if nobody named them.
    """

    def __init__(self, make: Make, threads: int) -> None:
        self._make, self._moves = make, threads > 1 and can_move(make)
        self._model = make()  # predicts; it takes over what is fitted apart
        self.watches = bool(getattr(self._model, "watches", False))
        self.chosen = str(getattr(self._model, "chosen", ""))
        self._coming: FitProcess | None = None  # a process that comes up
        self._apart: FitProcess | None = None  # the same, from the first fit that is made there
        self._begun: tuple[Evidence, int] | None = None
        self.before: Callable[[], None] = lambda: None  # called before a fit begins: r-hat has not learned from what is new yet
        self._fitted: Metrics = {}

    def check(self, setup: Setup) -> None:
        """Raises UserError where the model does not work together with the other parts."""
        if isinstance(self._model, Checked):
            self._model.check(setup)

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step [T, N], as of the last fit. Raises UserError where it is not finite."""
        self._wait()
        predicted = self._model(rollout)
        check_predicted(predicted)
        return predicted

    def predict_members(self, steps: Steps) -> Array:
        """The members apart [M, n, L], as of the last fit."""
        self._wait()
        return self._model.predict_members(steps)

    def fitted(self) -> Metrics:
        """What the last fit that was begun found, once; waits for it."""
        self._wait()
        metrics, self._fitted = self._fitted, {}
        return dict(sorted(metrics.items()))  # in the order in which a snapshot gives them back

    def begin(self, evidence: Evidence, gradient_steps: int) -> None:
        """Begin to fit, after the fit before; without evidence there is nothing to do."""
        self._wait()
        self.before()
        if len(evidence.comparisons) == 0 and evidence.behaviour is None:
            return
        self._begun = evidence, gradient_steps
        self._move_out()
        if self._apart is not None:
            self._apart.begin(evidence, gradient_steps)

    def _move_out(self) -> None:
        """Have fits made apart from now on, if there is a process for it that is ready."""
        if self._apart is not None or not self._moves:
            return
        if self._coming is None:
            self._coming = FitProcess(self._make)
        elif self._coming.ready:
            self._coming.restore(self._model.snapshot())
            self._apart = self._coming

    def _wait(self) -> None:
        begun, self._begun = self._begun, None
        if begun is None:
            return
        if self._apart is not None:
            self._fitted, state = self._apart.result()
            self._model.restore(state)
        else:
            self._fitted = self._model.fit(*begun)

    def snapshot(self) -> State:
        """The model's, as of the last fit, and what that found: nobody has been told yet."""
        self._wait()
        return {**self._model.snapshot(), **{f"{FITTED}{name}": np.array(value) for name, value in self._fitted.items()}}

    def restore(self, state: State) -> None:
        """Go on from a snapshot of a model built alike."""
        self._wait()
        self._fitted = {name.removeprefix(FITTED): float(value) for name, value in state.items() if name.startswith(FITTED)}
        self._model.restore(model_state(state))
        if self._apart is not None:
            self._apart.restore(model_state(state))


def model_state(state: State) -> State:
    """The model's part of a snapshot."""
    return {name: value for name, value in state.items() if not name.startswith(FITTED)}
