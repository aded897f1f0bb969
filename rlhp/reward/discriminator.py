"""A classifier that distinguishes the expert's steps from the policy's, from which adversarial imitation derives its reward."""

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

INPUTS = ("state_action", "state")  # parts of a step that a score may read
Offset = Callable[[Behaviour, Transitions], Tensor]  # steps [n] -> the offsets to subtract from their logits, [n]


class Judge(Score, Protocol):
    """A score that reads transitions."""

    flat: Tensor  # [P]: all learned parameters, with their gradient in `flat.grad`

    def observe(self, demonstrations: Transitions, behaviour: Transitions) -> None:
        """Update the normalisation of inputs with the policy's newest rollout."""
        ...

    def read(self, steps: Transitions) -> Tensor:
        """Encode n steps as [n, width]."""
        ...

    def snapshot(self) -> dict[str, Array]:
        """Everything except `flat` that training changes."""
        ...

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot, which may have further entries."""
        ...


class Discriminator:
    """Logistic regression on whether a step is the expert's: D = sigmoid(logit) is the probability that it is.

    logit = scale * score - offset. A gradient step draws `batch_size` steps of each side and reduces the mean cross-entropy over
    both (Ho and Ermon 2016, algorithm 1, line 4, where D is the probability of the policy). The policy's steps are from its
    newest rollout, except for a fraction `past` from earlier ones (`Past`): a discriminator that forgets earlier behaviour
    rewards it again, and the policy goes round in circles.
    """

    def __init__(
        self, judge: Judge, *, lipschitz: Lipschitz, scale: float, past: float, learning_rate: float, batch_size: int, seed: int
    ) -> None:
        if batch_size < 1 or not learning_rate > 0 or not scale > 0:
            raise UserError("the reward model needs a batch_size of at least 1, and a learning_rate and a scale above 0.")
        self._judge, self._lipschitz, self._scale = judge, lipschitz, scale
        self._batch_size, self._seed = batch_size, seed
        self._past = Past(past, seed)
        self._optimiser = Adam([judge.flat], lr=learning_rate, fused=True)
        self._steps = 0  # gradient steps so far

    def fit(self, evidence: Evidence, gradient_steps: int, offset: Offset) -> Metrics:
        """Train on the newest rollout until the run has made `gradient_steps`.

        Returns means over these gradient steps, measured before each: losses and accuracies of both sides, and the penalty; and
        the number of gradient steps so far. Empty if no gradient steps are due, or one side has no steps.
        """
        expert, behaviour = evidence.demonstrations, evidence.behaviour
        if expert is None or behaviour is None or gradient_steps <= self._steps:
            return {}
        self._judge.observe(expert, behaviour.steps)
        due, n = range(self._steps, gradient_steps), gradient_steps - self._steps
        sides = [self._draw_expert(expert, due), self._past.drawn(behaviour.steps, self._batch_size, due)]
        rows = [self._judge.read(side).unflatten(0, (n, -1)) for side in sides]
        offsets = [offset(behaviour, side).view(n, -1) for side in sides]
        seen = [self._step(*each) for each in zip(*rows, *offsets, strict=True)]
        means = np.mean(seen, axis=0).tolist()
        names = ("expert_loss", "policy_loss", "expert_accuracy", "policy_accuracy", "penalty")
        return {f"discriminator_{k}": v for k, v in zip(names, means, strict=True)} | {"fit_steps": float(self._steps)}

    def _draw_expert(self, steps: Transitions, which: range) -> Transitions:
        draws = (make_rng(self._seed, "discriminator/expert", step) for step in which)
        return steps[np.concatenate([rng.integers(len(steps), size=self._batch_size) for rng in draws])]

    def _step(self, expert: Tensor, policy: Tensor, expert_offset: Tensor, policy_offset: Tensor) -> list[float]:
        """One gradient step; returns losses and accuracies of both sides, and the penalty."""
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
        """Everything that training changes, as arrays."""
        adam = {f"adam/{k}": v.numpy().copy() for k, v in self._optimiser.state[0].items()}
        mine = {"weights": self._judge.flat.numpy().copy(), "steps": np.array(self._steps)}
        return {**adam, **self._judge.snapshot(), **self._past.snapshot(), **mine}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot of a discriminator of the same shape."""
        for k, v in self._optimiser.state[0].items():
            v.copy_(torch.from_numpy(state[f"adam/{k}"]))
        self._judge.restore(state)
        self._past.restore(state)
        self._judge.flat.copy_(torch.from_numpy(state["weights"]))
        self._steps = int(state["steps"])


def rows(x: Array) -> Array:
    """Flatten the first two axes: [T, N, *x] or [n, L, *x] -> [T N, *x] or [n L, *x]."""
    return x.reshape(-1, *x.shape[2:])


def check_choice(name: str, chosen: str, choices: Collection[str]) -> None:
    """Raise UserError unless a setting has one of its possible values."""
    if chosen not in choices:
        raise UserError(f"there is no reward_model.{name}={chosen}; choose one of {', '.join(choices)}.")


def check_demonstrated(setup: Setup, name: str) -> None:
    """Raise UserError without demonstrations to compare the policy's steps with."""
    if setup.demonstrations is None:
        raise UserError(f"reward_model={name} learns from demonstrations; set demos=FOLDER (see rlhp demonstrate).")


def may_terminate(setup: Setup) -> bool:
    """Whether episodes may terminate early: the environment does not rule it out, or one of the expert's episodes did."""
    demonstrated = setup.demonstrations.episodes if setup.demonstrations else ()
    return bool(getattr(setup.env, "terminates", True)) or any(episode.terminated for episode in demonstrated)
