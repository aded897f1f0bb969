"""Generative adversarial imitation learning (Ho and Ermon 2016): the reward is how much a step resembles the expert's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from rlhp.reward.balanced import Balanced
from rlhp.reward.discriminator import INPUTS, Discriminator, check_choice, check_demonstrated, may_terminate, rows
from rlhp.reward.lipschitz import GradientPenalty, Lipschitz
from rlhp.reward.tanh_mlp import Pass, TanhMLP, check_hidden, parameters
from rlhp.types import Array, Behaviour, Evidence, Metrics, Rollout, Setup, Steps, Transitions, make_rng, stacked

REWARDS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"softplus": softplus, "log_d": logsigmoid, "logit": lambda logit: logit}  # -log(1 - D), log D, and their sum
)
BIAS = MappingProxyType(
    {
        "softplus": "is never negative: it rewards every further step, so a policy that merely survives scores well. Set "
        "reward_model.reward=logit, or choose a task that only a time limit ends",
        "log_d": "is never positive: it penalises every further step, so a policy that ends its episodes at once scores "
        "well. Set reward_model.reward=logit, or choose a task that only a time limit ends",
    }
)


class GAIL:
    """A discriminator of observations and actions; the reward is a function of its logit.

    `reward` names the function: softplus, -log(1 - D), never negative; log_d, log D, never positive; logit, the sum of both, of
    either sign. Where episodes may terminate early the first two are biased (`BIAS`; Kostrikov et al. 2019, section 4.1). `reads`
    selects the discriminator's input: state_action, as in the paper, or state. `past` is the fraction of the policy's steps in a
    batch that come from earlier rollouts; the paper uses 0, the newest rollout only. Raises UserError for settings and spaces
    that it does not support.
    """

    watches = True

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        hidden: Sequence[int] = (64, 64),
        reward: str = "softplus",
        reads: str = "state_action",
        lipschitz: Lipschitz | None = None,
        past: float = 0.0,
        learning_rate: float = 3e-4,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        check_choice("reward", reward, REWARDS)
        check_choice("reads", reads, INPUTS)
        self._name, self._reward = reward, REWARDS[reward]
        self._score = StepScore(Balanced(observation_space, action_space), hidden, reads, seed)
        self._discriminator = Discriminator(
            self._score,
            lipschitz=lipschitz or GradientPenalty(),
            scale=1.0,
            past=past,
            learning_rate=learning_rate,
            batch_size=batch_size,
            seed=seed,
        )

    def check(self, setup: Setup) -> None:
        """Raise UserError without demonstrations; print a warning to stderr if early terminations bias the reward."""
        check_demonstrated(setup, "gail")
        if may_terminate(setup) and self._name in BIAS:
            print(
                f"episodes of {setup.env.task} may terminate early, and reward={self._name} {BIAS[self._name]}.", file=sys.stderr
            )

    def __call__(self, rollout: Rollout) -> Array:
        """The reward of every step, [T, N] float32."""
        return self._rewards(rollout.seen(), rollout.act)

    def predict_members(self, steps: Steps) -> Array:
        """The rewards of clips, [1, n, L]."""
        return self._rewards(stacked(steps.obs, steps.act.shape[1], axis=1), steps.act)[np.newaxis]

    def _rewards(self, obs: Array, act: Array) -> Array:
        return self._reward(self._score.value(rows(obs), rows(act))).numpy().reshape(act.shape[:2])

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Train the discriminator on the newest rollout; see `Discriminator.fit`."""
        return self._discriminator.fit(evidence, gradient_steps, _no_offset)

    def snapshot(self) -> dict[str, Array]:
        """The snapshot of the discriminator."""
        return self._discriminator.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot of a model with the same settings."""
        self._discriminator.restore(state)


class StepScore:
    """A perceptron that reads observation and action, or only the observation; a `Judge`."""

    def __init__(self, inputs: Balanced, hidden: Sequence[int], reads: str, seed: int) -> None:
        check_hidden(hidden)
        self._inputs, self._reads = inputs, inputs.width if reads == "state_action" else inputs.observed
        sizes = (self._reads, *hidden)
        self.flat = torch.zeros(parameters(sizes))
        self.flat.grad = torch.zeros_like(self.flat)
        self._net = TanhMLP(self.flat, self.flat.grad, sizes)
        self._net.initialise(torch.Generator().manual_seed(int(make_rng(seed, "reward").integers(2**31))))

    @property
    def weights(self) -> list[Tensor]:
        """The weight matrices of the layers."""
        return [weight for weight, _ in self._net.layers]

    def observe(self, demonstrations: Transitions, behaviour: Transitions) -> None:
        """Update the normalisation of inputs."""
        self._inputs.observe(demonstrations, behaviour)

    def read(self, steps: Transitions) -> Tensor:
        """Encode n steps as [n, width]."""
        return self._inputs(steps.obs, steps.act)[:, : self._reads]

    def run(self, x: Tensor) -> Pass:
        """Forward pass for x [n, width]."""
        return self._net.run(x)

    def value(self, obs: Array, act: Array) -> Tensor:
        """The scores [n]."""
        return self._net.value(self._inputs(obs, act)[:, : self._reads])

    def snapshot(self) -> dict[str, Array]:
        """The normalisation of inputs."""
        return self._inputs.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._inputs.restore(state)


def _no_offset(behaviour: Behaviour, steps: Transitions) -> Tensor:
    return torch.zeros(len(steps))
