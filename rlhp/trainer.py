"""A synthetic trainer that gives feedback on single actions: sparse, late and without reaction to small differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlhp.types import Array, Rollout, UserError, make_rng

MEMORY = 200  # approximate window of the running mean size of the advantage, in judged steps


class AdvantageTrainer:
    """Judges some actions as good or bad, with a delay, by the sign of their advantage over the agent's usual action.

    Like the feedback of people (MacGlashan et al. 2017, section 3.2), it depends on the policy: the same action is praised while
    the agent usually does worse, and criticised once it usually does better. The advantage over a fixed expert is never above 0,
    so such a trainer would never praise.

    advantage: the advantage [n] of actions [n, *A] over other actions in the same states [n, S].
    usual: the agent's usual actions [n, *A] at raw observations [n, *seen].
    speaks: probability in (0, 1] that a step is judged.
    delay: environment steps between an action and the feedback on it.
    dead_zone: minimum size of an advantage for feedback, as a multiple of the running mean size.

    Random draws depend only on (seed, step). Raises UserError for values out of range.
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
        self._late: Array | None = None  # [delay, N]  feedback that is not given yet

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """The feedback during each step on the action `delay` steps before, [T, N]: 1 (good), -1 (bad) or 0 (none)."""
        steps, envs = rollout.true_reward.shape
        judged = make_rng(self._seed, "trainer", step).random((steps, envs)) < self._speaks
        feedback = np.zeros((steps, envs))
        if judged.any():
            # without simulator states, observations have to contain the whole state
            states = rollout.state if isinstance(rollout.state, np.ndarray) else rollout.obs
            feedback[judged] = self._signs(states[judged], rollout.act[judged], self._usual(rollout.seen()[judged]))
        waiting = np.zeros((self._delay, envs)) if self._late is None else self._late
        everything = np.concatenate([waiting, feedback])
        self._late = everything[steps:]
        return everything[:steps]

    def _signs(self, states: Array, act: Array, usual: Array) -> Array:
        """The sign of the advantages [n]: 1, -1, or 0 within the dead zone."""
        advantage = self._advantage(states, act, usual)
        self._judged += len(advantage)
        share = min(1.0, len(advantage) / min(self._judged, MEMORY))
        self._size += share * (float(np.abs(advantage).mean()) - self._size)
        return np.sign(advantage) * (np.abs(advantage) > self._dead_zone * self._size)

    def snapshot(self) -> dict[str, Array]:
        """The running mean size of advantages, and the feedback that is not given yet."""
        late = {} if self._late is None else {"late": self._late.copy()}
        return {"size": np.array(self._size), "judged": np.array(self._judged), **late}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._size, self._judged, self._late = float(state["size"]), int(state["judged"]), state.get("late")
