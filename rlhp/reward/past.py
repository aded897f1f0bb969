"""What a policy did earlier, for a discriminator that must not forget it."""

from __future__ import annotations

import numpy as np

from rlhp.types import Array, Transitions, UserError, make_rng

EACH = 256  # steps of a rollout that are kept
KEPT = 16_384  # at most; with rollouts of 2,048 steps half of those kept are from the last 90,000


class Past:
    """A sample of the policy's earlier steps, and batches in which they make up a share of about `share`.

    The steps of each rollout take the place of random earlier ones: the older a rollout, the fewer are left of it. Raises
    UserError for a share out of range.
    """

    def __init__(self, share: float, seed: int) -> None:
        if not 0 <= share <= 1:
            raise UserError(f"reward_model.past is {share}, a share of the policy's steps in a batch: give a number from 0 to 1.")
        self._share, self._seed = share, seed
        self._kept: Transitions | None = None

    def drawn(self, newest: Transitions, size: int, steps: range) -> Transitions:
        """A batch of `size` for each of these gradient steps, drawn from the newest rollout and from what is kept; keeps some."""
        old = int(self._share * size)
        kept, n = self._kept, len(newest)
        if old > 0:
            self._keep(newest, steps.start)
        if old == 0 or kept is None:  # nothing is earlier than the first rollout
            return newest[np.concatenate([self._rows("policy", step, n, size) for step in steps])]
        sides = [(self._rows("policy", step, n, size - old), n + self._rows("past", step, len(kept), old)) for step in steps]
        return newest.joined(kept)[np.concatenate([rows for side in sides for rows in side])]

    def _rows(self, name: str, step: int, n: int, size: int) -> Array:
        return make_rng(self._seed, f"discriminator/{name}", step).integers(n, size=size)

    def _keep(self, newest: Transitions, step: int) -> None:
        rng = make_rng(self._seed, "discriminator/keep", step)
        more = newest[rng.integers(len(newest), size=EACH)]
        if self._kept is not None:
            left = np.arange(len(self._kept))
            if len(left) >= KEPT:
                left = np.delete(left, rng.choice(KEPT, size=EACH, replace=False))
            more = self._kept[left].joined(more)
        self._kept = more

    def snapshot(self) -> dict[str, Array]:
        """What is kept; nothing before the first rollout."""
        if self._kept is None:
            return {}
        return {"past/obs": self._kept.obs, "past/act": self._kept.act, "past/next_obs": self._kept.next_obs}  # never changed

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        names = ("past/obs", "past/act", "past/next_obs")
        self._kept = Transitions(*(state[name].copy() for name in names)) if names[0] in state else None
