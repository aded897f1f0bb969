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
from rlhp.reward.past import Past
from rlhp.types import Array, Behaviour, Evidence, Metrics, Setup, Transitions, UserError, make_rng

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


class Discriminator:
    """Logistic regression of who made a step: D = sigmoid(logit) is the probability of the expert.

    logit = scale * score - offset. A gradient step draws `batch_size` steps of each side and lowers the mean cross-entropy over
    both (Ho and Ermon 2016, algorithm 1, line 4, where D is that of the policy). The policy's are from its newest rollout, but
    for a share `past` of earlier ones (`Past`): a discriminator that forgets what the policy did before rewards it again, and
    the policy goes round in circles.
    """

    def __init__(
        self, judge: Judge, *, lipschitz: Lipschitz, scale: float, past: float, learning_rate: float, batch_size: int, seed: int
    ) -> None:
        if batch_size < 1 or not learning_rate > 0 or not scale > 0:
            raise UserError("the reward model wants a batch_size of at least 1, and a learning_rate and a scale above 0.")
        self._judge, self._lipschitz, self._scale = judge, lipschitz, scale
        self._batch_size, self._seed = batch_size, seed
        self._past = Past(past, seed)
        self._optimiser = Adam([judge.flat], lr=learning_rate, fused=True)
        self._steps = 0  # gradient steps made

    def fit(self, evidence: Evidence, gradient_steps: int, offset: Offset) -> Metrics:
        """Train on the newest rollout until `gradient_steps` have been made since the start of the run.

        Returns means over these steps, taken before each: losses and accuracies of either side, and the penalty; and the
        number of gradient steps so far. Empty where nothing is to be done, or there are no steps of one side.
        """
        expert, behaviour = evidence.demonstrations, evidence.behaviour
        if expert is None or behaviour is None or gradient_steps <= self._steps:
            return {}
        self._judge.observe(expert, behaviour.steps)
        due, n = range(self._steps, gradient_steps), gradient_steps - self._steps
        sides = [self._of_expert(expert, due), self._past.drawn(behaviour.steps, self._batch_size, due)]
        rows = [self._judge.read(side).unflatten(0, (n, -1)) for side in sides]
        offsets = [offset(behaviour, side).view(n, -1) for side in sides]
        seen = [self._step(*each) for each in zip(*rows, *offsets, strict=True)]
        means = np.mean(seen, axis=0).tolist()
        names = ("expert_loss", "policy_loss", "expert_accuracy", "policy_accuracy", "penalty")
        return {f"discriminator_{k}": v for k, v in zip(names, means, strict=True)} | {"fit_steps": float(self._steps)}

    def _of_expert(self, steps: Transitions, which: range) -> Transitions:
        draws = (make_rng(self._seed, "discriminator/expert", step) for step in which)
        return steps[np.concatenate([rng.integers(len(steps), size=self._batch_size) for rng in draws])]

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
        penalty = self._lipschitz.add(judge, expert, policy, make_rng(self._seed, "discriminator/between", self._steps))
        self._optimiser.step()
        self._lipschitz.project(judge)
        self._steps += 1
        losses = (softplus(-of_expert), softplus(of_policy), (of_expert > 0).float(), (of_policy < 0).float())
        return [*torch.stack([loss.mean() for loss in losses]).tolist(), penalty]

    def snapshot(self) -> dict[str, Array]:
        """All that changes with training, as arrays."""
        adam = {f"adam/{k}": v.numpy().copy() for k, v in self._optimiser.state[0].items()}
        mine = {"weights": self._judge.flat.numpy().copy(), "steps": np.array(self._steps)}
        return {**adam, **self._judge.snapshot(), **self._past.snapshot(), **mine}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot of one of the same shape."""
        for k, v in self._optimiser.state[0].items():
            v.copy_(torch.from_numpy(state[f"adam/{k}"]))
        self._judge.restore(state)
        self._past.restore(state)
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


def may_terminate(setup: Setup) -> bool:
    """Whether episodes may end before their time: the environment does not rule it out, or one of the expert's did."""
    demonstrated = setup.demonstrations.episodes if setup.demonstrations else ()
    return bool(getattr(setup.env, "terminates", True)) or any(episode.terminated for episode in demonstrated)
