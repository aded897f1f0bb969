"""A replay buffer of the policy's earlier steps for a discriminator."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array, Transitions, UserError, make_rng

KEPT_PER_ROLLOUT = 256  # steps
CAPACITY = 16_384  # steps; with rollouts of 2,048 steps half of those kept are from the last 90,000


class Past:
    """Keeps a sample of the policy's earlier steps, and draws batches in which about `share` of the steps are from it.

    Steps of each rollout replace random earlier ones, so the older a rollout, the fewer of its steps remain. Raises UserError for
    a share out of range.
    """

    def __init__(self, share: float, seed: int) -> None:
        if not 0 <= share <= 1:
            raise UserError(
                f"reward_model.past is {share}, a fraction of the policy's steps in a batch: give a number from 0 to 1."
            )
        self._share, self._seed = share, seed
        self._kept: Transitions | None = None

    def drawn(self, newest: Transitions, size: int, steps: range) -> Transitions:
        """Draw a batch of `size` steps per gradient step from the newest rollout and the kept steps; then keep some of it."""
        old = int(self._share * size)
        kept, n = self._kept, len(newest)
        if old > 0:
            self._keep(newest, steps.start)
        if old == 0 or kept is None:  # there are no earlier steps before the first rollout
            return newest[np.concatenate([self._rows("policy", step, n, size) for step in steps])]
        sides = [(self._rows("policy", step, n, size - old), n + self._rows("past", step, len(kept), old)) for step in steps]
        return newest.joined(kept)[np.concatenate([rows for side in sides for rows in side])]

    def _rows(self, name: str, step: int, n: int, size: int) -> Array:
        return make_rng(self._seed, f"discriminator/{name}", step).integers(n, size=size)

    def _keep(self, newest: Transitions, step: int) -> None:
        rng = make_rng(self._seed, "discriminator/keep", step)
        added = newest[rng.integers(len(newest), size=KEPT_PER_ROLLOUT)]
        if self._kept is not None:
            remaining = np.arange(len(self._kept))
            if len(remaining) >= CAPACITY:
                remaining = np.delete(remaining, rng.choice(CAPACITY, size=KEPT_PER_ROLLOUT, replace=False))
            added = self._kept[remaining].joined(added)
        self._kept = added

    def snapshot(self) -> dict[str, Array]:
        """The kept steps; empty before the first rollout."""
        if self._kept is None:
            return {}
        # no copies: these arrays are never changed in place
        return {
            "past/obs": self._kept.obs,
            "past/act": self._kept.act,
            "past/next_obs": self._kept.next_obs,
        }

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        names = ("past/obs", "past/act", "past/next_obs")
        self._kept = Transitions(*(state[name].copy() for name in names)) if names[0] in state else None
