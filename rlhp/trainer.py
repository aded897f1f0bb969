"""Who gives feedback on single actions: a synthetic trainer that is sparse, late and quick to be content."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rlhp.types import Array, Rollout, Setup, UserError, stream

MEMORY = 5_000  # environment steps that the running mean and spread of the advantage look back over, about


class AdvantageTrainer:
    """Says whether an action was good or bad: the sign of its advantage, sometimes, and some steps later.

    The advantage is one step of temporal difference with the true reward, A = r + gamma V(s') - V(s), V being an expert's value
    function. As the feedback of people does (MacGlashan et al. 2017, section 3.2), it depends on the policy that is watched:
    `expectation` is taken off, the running mean of A, so that praise is for what is better than what the agent has lately
    done. Without that, nobody would ever praise: an optimal expert's A is nowhere above 0.

    value: [n, *O] -> [n], in units of the true reward.
    speaks: probability in (0, 1] that a step is remarked upon at all.
    delay: steps of one environment between an action and the feedback on it.
    dead_zone: how many running spreads A must differ from what is expected for the trainer to say anything.

    `admits` may refuse a run whose task is not the expert's. Random draws depend on (seed, step) alone. Raises UserError for
    values out of range.
    """

    def __init__(
        self,
        seed: int,
        value: Callable[[Array], Array],
        gamma: float,
        speaks: float = 0.1,
        delay: int = 6,
        dead_zone: float = 0.5,
        admits: Callable[[Setup], None] = lambda setup: None,
    ) -> None:
        if not 0 < speaks <= 1 or delay < 0 or not dead_zone >= 0:
            raise UserError(
                f"trainer.speaks={speaks}, trainer.delay={delay}, trainer.dead_zone={dead_zone}: give a probability above 0, "
                "0 or more steps, and 0 or more spreads."
            )
        self.seed, self.value, self.gamma = seed, value, gamma
        self.speaks, self.delay, self.dead_zone, self._admits = speaks, delay, dead_zone, admits
        self._mean, self._square, self._seen = 0.0, 0.0, 0
        self._late: Array | None = None  # [delay, N]  what is not said yet

    def check(self, setup: Setup) -> None:
        """Raises UserError where the expert knows another task."""
        self._admits(setup)

    def __call__(self, rollout: Rollout, step: int) -> Array:
        """[T, N]: what is heard during each step, 1 (good), -1 (bad) or 0 (nothing), about the action `delay` steps before."""
        advantage = self.advantage(rollout)
        self._expect(advantage)
        spread = max(self._square - self._mean**2, 0.0) ** 0.5
        differs = np.abs(advantage - self._mean) > self.dead_zone * spread
        spoken = stream(self.seed, "trainer", step).random(advantage.shape) < self.speaks
        said = np.sign(advantage - self._mean) * (differs & spoken)
        waiting = np.zeros((self.delay, said.shape[1])) if self._late is None else self._late
        everything = np.concatenate([waiting, said])
        self._late = everything[len(said) :]
        return everything[: len(said)]

    def advantage(self, rollout: Rollout) -> Array:
        """[T, N]: r + gamma V(s') - V(s) of each step."""
        before, after = (self._values(obs) for obs in (rollout.seen(), rollout.seen_after()))
        return rollout.true_reward + self.gamma * after - before

    def _values(self, obs: Array) -> Array:
        return self.value(obs.reshape(-1, *obs.shape[2:])).reshape(obs.shape[:2])

    def _expect(self, advantage: Array) -> None:
        """Take the rollout into the running moments: plain means until `MEMORY` steps are seen."""
        self._seen += advantage.size
        share = min(1.0, advantage.size / min(self._seen, MEMORY))
        self._mean += share * (float(advantage.mean()) - self._mean)
        self._square += share * (float((advantage**2).mean()) - self._square)

    def snapshot(self) -> dict[str, Array]:
        """What it expects, and what it has not said yet."""
        late = {} if self._late is None else {"late": self._late.copy()}
        return {"moments": np.array([self._mean, self._square]), "seen": np.array(self._seen), **late}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot."""
        self._mean, self._square = map(float, state["moments"])
        self._seen, self._late = int(state["seen"]), state.get("late")
