"""Who gives feedback on single actions: a synthetic trainer that is sparse, late and indifferent to small differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlhp.types import Array, Rollout, UserError, make_rng

MEMORY = 200  # judgements that the running size of the advantage looks back over, about


class AdvantageTrainer:
    """Says whether an action was good or bad: the sign of its advantage over what the agent usually does, sometimes, and late.

    As the feedback of people does (MacGlashan et al. 2017, section 3.2), it depends on the policy that is watched: the same
    action is praised while the agent usually does worse, and blamed once it does better. A fixed expert's own advantage is
    nowhere above 0, so that nobody would ever be praised.

    advantage: of actions [n, *A] over others in the same states [n, S]: [n].
    usual: what the agent would usually do at raw observations [n, *seen]: actions [n, *A].
    speaks: probability in (0, 1] that a step is judged at all.
    delay: steps of one environment between an action and the feedback on it.
    dead_zone: how many times the running mean size of the advantages one must have for the trainer to say anything.

    Random draws depend on (seed, step) alone. Raises UserError for values out of range.
    """

    def __init__(
        self,
        seed: int,
        advantage: Callable[[Array, Array, Array], Array],
        usual: Callable[[Array], Array],
        *,
        speaks: float,
        delay: int,
        dead_zone: float,
    ) -> None:
        if not 0 < speaks <= 1 or delay < 0 or not dead_zone >= 0:
            raise UserError(
                f"loop.trainer.speaks={speaks}, delay={delay}, dead_zone={dead_zone}: give a probability above 0, "
                "0 or more steps, and 0 or more mean sizes."
            )
        self._seed, self._advantage, self._usual = seed, advantage, usual
        self._speaks, self._delay, self._dead_zone = speaks, delay, dead_zone
        self._size, self._judged = 0.0, 0
        self._late: Array | None = None  # [delay, N]  what is not said yet

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """[T, N]: what is heard during each step, 1 (good), -1 (bad) or 0 (nothing), about the action `delay` steps before."""
        steps, envs = rollout.true_reward.shape
        judged = make_rng(self._seed, "trainer", step).random((steps, envs)) < self._speaks
        said = np.zeros((steps, envs))
        if judged.any():
            states = (
                rollout.state if isinstance(rollout.state, np.ndarray) else rollout.obs
            )  # which may be all there is to a state
            said[judged] = self._signs(states[judged], rollout.act[judged], self._usual(rollout.seen()[judged]))
        waiting = np.zeros((self._delay, envs)) if self._late is None else self._late
        everything = np.concatenate([waiting, said])
        self._late = everything[steps:]
        return everything[:steps]

    def _signs(self, states: Array, act: Array, usual: Array) -> Array:
        """[n]: 1, -1, or 0 where it makes little difference."""
        advantage = self._advantage(states, act, usual)
        self._judged += len(advantage)
        share = min(1.0, len(advantage) / min(self._judged, MEMORY))
        self._size += share * (float(np.abs(advantage).mean()) - self._size)
        return np.sign(advantage) * (np.abs(advantage) > self._dead_zone * self._size)

    def snapshot(self) -> dict[str, Array]:
        """How large advantages usually are, and what is not said yet."""
        late = {} if self._late is None else {"late": self._late.copy()}
        return {"size": np.array(self._size), "judged": np.array(self._judged), **late}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        self._size, self._judged, self._late = float(state["size"]), int(state["judged"]), state.get("late")
