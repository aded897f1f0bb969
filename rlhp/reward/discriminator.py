"""A classifier of steps, the expert's from the policy's: what adversarial imitation learns its reward from."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from rlhp.adam import Adam
from rlhp.reward.lipschitz import Lipschitz, Score
from rlhp.types import Array, Behaviour, Evidence, Metrics, Setup, Transitions, UserError, stream

INPUTS = ("state_action", "state")  # what a score may read of a step
Offset = Callable[[Behaviour, Transitions], Tensor]  # steps [n] -> what is taken off their logits, [n]


class Judge(Score, Protocol):
    """A score that reads transitions."""

    flat: Tensor  # [P]: all that is learned, its gradient in `flat.grad`

    def observe(self, demonstrations: Transitions, behaviour: Transitions) -> None:
        """Take notice of the policy's newest rollout, to normalise inputs by."""
        ...

    def read(self, steps: Transitions) -> Tensor:
        """[n] steps -> [n, width]."""
        ...

    def snapshot(self) -> dict[str, Array]:
        """What changes with training beside `flat`."""
        ...

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot, which may hold more."""
        ...


class Past:
    """A sample of what the policy has done, the older the sparser: each rollout's share takes the place of random earlier ones."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._kept: Transitions | None = None

    @property
    def steps(self) -> Transitions:
        """Those that are kept."""
        assert self._kept is not None
        return self._kept

    def add(self, newest: Transitions, when: int) -> None:
        rng = stream(self._seed, "discriminator/keep", when)
        new = newest[rng.integers(len(newest), size=EACH)]
        if self._kept is None or len(self._kept) < KEPT:
            self._kept = new if self._kept is None else _joined(self._kept, new)
            return
        rows = rng.choice(KEPT, size=EACH, replace=False)
        for kept, more in zip(_columns(self._kept), _columns(new), strict=True):
            kept[rows] = more


EACH, KEPT = 256, 16_384


def _columns(steps: Transitions) -> tuple[Array, Array, Array]:
    return steps.obs, steps.act, steps.next_obs


def _joined(one: Transitions, two: Transitions) -> Transitions:
    return Transitions(*(np.concatenate(pair) for pair in zip(_columns(one), _columns(two), strict=True)))


def _interleaved(one: Transitions, two: Transitions, n: int) -> Transitions:
    parts = []
    for a, b in zip(_columns(one), _columns(two), strict=True):
        a, b = (x.reshape(n, -1, *x.shape[1:]) for x in (a, b))
        both = np.concatenate([a, b], axis=1)
        parts.append(both.reshape(-1, *both.shape[2:]))
    return Transitions(*parts)


class Discriminator:
    """Logistic regression of who made a step: D = sigmoid(logit) is the probability of the expert.

    logit = scale * score - offset. A gradient step draws `batch_size` steps of each side and lowers the mean cross-entropy over
    both (Ho and Ermon 2016, algorithm 1, line 4, where D is that of the policy). The policy's are from its newest rollout, but
    for a share `past` from earlier ones: without them what it once did could come to be rewarded again.
    """

    def __init__(
        self, judge: Judge, *, lipschitz: Lipschitz, scale: float, past: float, learning_rate: float, batch_size: int, seed: int
    ) -> None:
        if batch_size < 1 or not learning_rate > 0 or not scale > 0:
            raise UserError("the reward model wants a batch_size of at least 1, and a learning_rate and a scale above 0.")
        self._judge, self._lipschitz, self._scale = judge, lipschitz, scale
        self._batch_size, self._seed = batch_size, seed
        self._past, self._from_past = Past(seed), int(past * batch_size)
        self._optimiser = Adam([judge.flat], lr=learning_rate, fused=True)
        self._steps = 0  # gradient steps made

    def fit(self, evidence: Evidence, effort: int, offset: Offset) -> Metrics:
        """Train on the newest rollout until `effort` gradient steps have been made since the start of the run.

        Returns means over these steps, taken before each: losses and accuracies of either side, and the penalty; and the
        number of gradient steps so far. Empty where nothing is to be done, or there are no steps of one side.
        """
        expert, behaviour = evidence.demonstrations, evidence.behaviour
        if expert is None or behaviour is None or effort <= self._steps:
            return {}
        self._judge.observe(expert, behaviour.steps)
        n = effort - self._steps
        sides = [self._drawn(expert, "expert", n, self._batch_size), self._of_policy(behaviour.steps, n)]
        rows = [self._judge.read(side).unflatten(0, (n, -1)) for side in sides]
        offsets = [offset(behaviour, side).view(n, -1) for side in sides]
        seen = [self._step(*each) for each in zip(*rows, *offsets, strict=True)]
        means = np.mean(seen, axis=0).tolist()
        names = ("expert_loss", "policy_loss", "expert_accuracy", "policy_accuracy", "penalty")
        return {f"discriminator_{k}": v for k, v in zip(names, means, strict=True)} | {"fit_steps": float(self._steps)}

    def _of_policy(self, newest: Transitions, n: int) -> Transitions:
        """Steps for each of the next n gradient steps, some of them from earlier rollouts."""
        if self._from_past == 0:
            return self._drawn(newest, "policy", n, self._batch_size)
        self._past.add(newest, self._steps)
        sides = ((newest, "policy", self._batch_size - self._from_past), (self._past.steps, "past", self._from_past))
        drawn = [self._drawn(steps, name, n, size) for steps, name, size in sides]
        return _interleaved(*drawn, n)

    def _drawn(self, steps: Transitions, side: str, n: int, size: int) -> Transitions:
        """`size` random steps for each of the next n gradient steps."""
        draws = (stream(self._seed, f"discriminator/{side}", self._steps + i) for i in range(n))
        return steps[np.concatenate([rng.integers(len(steps), size=size) for rng in draws])]

    def _step(self, expert: Tensor, policy: Tensor, expert_offset: Tensor, policy_offset: Tensor) -> list[float]:
        """One gradient step; losses and accuracies of either side, and the penalty."""
        judge, grad = self._judge, self._judge.flat.grad
        assert grad is not None
        grad.zero_()
        run = judge.run(torch.cat([expert, policy]))
        logits = self._scale * run.values - torch.cat([expert_offset, policy_offset])
        of_expert, of_policy = logits.split(self._batch_size)
        pull = torch.cat([-torch.sigmoid(-of_expert), torch.sigmoid(of_policy)])
        run.backward(pull * (self._scale / len(pull)))
        penalty = self._lipschitz.add(judge, expert, policy, stream(self._seed, "discriminator/between", self._steps))
        self._optimiser.step()
        self._lipschitz.project(judge)
        self._steps += 1
        losses = (softplus(-of_expert), softplus(of_policy), (of_expert > 0).float(), (of_policy < 0).float())
        return [*torch.stack([loss.mean() for loss in losses]).tolist(), penalty]

    def snapshot(self) -> dict[str, Array]:
        """All that changes with training, as arrays."""
        adam = {f"adam/{k}": v.numpy().copy() for k, v in self._optimiser.state[0].items()}
        return {**adam, **self._judge.snapshot(), "weights": self._judge.flat.numpy().copy(), "steps": np.array(self._steps)}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot of one of the same shape."""
        for k, v in self._optimiser.state[0].items():
            v.copy_(torch.from_numpy(state[f"adam/{k}"]))
        self._judge.restore(state)
        self._judge.flat.copy_(torch.from_numpy(state["weights"]))
        self._steps = int(state["steps"])


def rows(x: Array) -> Array:
    """[T, N, *x] or [n, L, *x] -> [T N, *x] or [n L, *x]."""
    return x.reshape(-1, *x.shape[2:])


def check_choice(name: str, chosen: str, there: Collection[str]) -> None:
    """Raises UserError unless a setting of this name is one of those that there are."""
    if chosen not in there:
        raise UserError(f"there is no reward_model.{name}={chosen}; choose one of {', '.join(there)}.")


def check_demonstrated(setup: Setup, name: str) -> None:
    """Raises UserError where there are no demonstrations to tell the policy's steps from."""
    if setup.demonstrations is None:
        raise UserError(f"reward_model={name} learns from demonstrations; name them with demos=FOLDER (see rlhp demonstrate).")
