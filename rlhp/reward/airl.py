"""Adversarial inverse reinforcement learning (Fu et al. 2018): a discriminator that contains a reward function."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.reward.balanced import Balanced
from rlhp.reward.discriminator import INPUTS, Discriminator, check_choice, check_demonstrated, may_terminate, rows
from rlhp.reward.lipschitz import GradientPenalty, Lipschitz
from rlhp.reward.tanh_mlp import Pass, TanhMLP, check_hidden, parameters
from rlhp.types import Array, Behaviour, Evidence, Metrics, Rollout, Setup, Steps, Transitions, UserError, make_rng, stacked

REWARDS = ("f_minus_log_pi", "f", "g")


class AIRL:
    """logit D = f(s, a, s') - log pi(a|s), with f = g(s, a) + gamma h(s') - h(s) (section 6, equations 4 and 5).

    g is the learned reward and h a potential that shapes it: if h is the expert's value function, f is its advantage. `reward`
    selects what the policy maximises: f_minus_log_pi, which is logit D, as in the paper (section 3); f; or g. `g_reads` is
    state_action, or state, with which g can recover the task's reward independently of the dynamics (section 5). f is `scale`
    times the output of the networks, whose gradient `lipschitz` keeps near 1, because log densities are larger than that.
    `freeze` selects g, the reward that other policies can use.

    f learns only once the policy is near the expert's, because until then log pi alone distinguishes them; start from a clone of
    the expert. An episode that the task terminates is treated as if it continued: h of its last observation is not 0. Raises
    UserError for settings and spaces that it does not support.
    """

    watches = True

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        hidden: Sequence[int] = (64, 64),
        potential_hidden: Sequence[int] = (64, 64),
        reward: str = "f_minus_log_pi",
        g_reads: str = "state_action",
        gamma: float = 0.99,
        scale: float = 10.0,
        lipschitz: Lipschitz | None = None,
        learning_rate: float = 3e-4,
        batch_size: int = 256,
        seed: int = 0,
    ) -> None:
        _check(reward, g_reads, gamma)
        self._kind, self._scale = reward, scale
        inputs = Balanced(observation_space, action_space)
        self._score = ShapedScore(inputs, hidden, potential_hidden, g_reads == "state_action", gamma, seed)
        self._discriminator = Discriminator(
            self._score,
            lipschitz=lipschitz or GradientPenalty(),
            scale=scale,
            past=0.0,  # D compares the expert with the present policy, whose density it reads
            learning_rate=learning_rate,
            batch_size=batch_size,
            seed=seed,
        )

    def check(self, setup: Setup) -> None:
        """Raise UserError without demonstrations.

        Prints a warning to stderr if the policy starts far from the expert's, and if the value of termination is not learned.
        """
        check_demonstrated(setup, "airl")
        if (setup.settings.get("agent") or {}).get("start") is None:
            print(
                "reward_model=airl learns little from a random initial policy: log pi alone distinguishes it from the expert's; "
                "set agent/start=demonstrations to start from a clone of the expert.",
                file=sys.stderr,
            )
        if may_terminate(setup):
            print(
                f"episodes of {setup.env.task} may terminate early, and reward_model=airl treats a termination as if the episode "
                "continued: it does not learn the value of terminating. Choose a task that only a time limit ends, or "
                "condition=gail with reward_model.reward=logit.",
                file=sys.stderr,
            )

    def freeze(self) -> None:
        """Use g as r-hat from now on: the shaping of f and log pi depend on the policy that f was trained with."""
        self._kind = "g"

    def __call__(self, rollout: Rollout) -> Array:
        """The reward of every step, [T, N] float32; g where log pi is not recorded, as for clips."""
        obs, act = rollout.seen(), rollout.act
        if self._kind == "g" or rollout.log_prob is None:
            return self._unshaped(obs, act)
        steps = Transitions(rows(obs), rows(act), rows(rollout.seen_after()))
        f = (self._scale * self._score.value(self._score.read(steps))).numpy().reshape(act.shape[:2])
        return f if self._kind == "f" else f - rollout.log_prob

    def predict_members(self, steps: Steps) -> Array:
        """g of clips, [1, n, L]."""
        return self._unshaped(stacked(steps.obs, steps.act.shape[1], axis=1), steps.act)[np.newaxis]

    def _unshaped(self, obs: Array, act: Array) -> Array:
        return (self._scale * self._score.unshaped(rows(obs), rows(act))).numpy().reshape(act.shape[:2])

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Train f with the policy that produced the newest rollout; see `Discriminator.fit`."""
        return self._discriminator.fit(evidence, gradient_steps, _log_pi)

    def snapshot(self) -> dict[str, Array]:
        """The snapshot of the discriminator."""
        return self._discriminator.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot of a model with the same settings."""
        self._discriminator.restore(state)


class ShapedScore:
    """The score g(s, a) + gamma h(s') - h(s) of rows (s, a, s'); a `Judge`."""

    def __init__(
        self, inputs: Balanced, hidden: Sequence[int], potential: Sequence[int], actions: bool, gamma: float, seed: int
    ) -> None:
        for each in (hidden, potential):
            check_hidden(each)
        self._inputs, self._gamma = inputs, gamma
        self._reads = inputs.width if actions else inputs.observed
        sizes = (self._reads, *hidden), (inputs.observed, *potential)
        counts = [parameters(each) for each in sizes]
        self.flat = torch.zeros(sum(counts))
        self.flat.grad = torch.zeros_like(self.flat)
        parts = zip(self.flat.split(counts), self.flat.grad.split(counts), sizes, strict=True)
        self.g, self.h = (TanhMLP(*each) for each in parts)
        generator = torch.Generator().manual_seed(int(make_rng(seed, "reward").integers(2**31)))
        for net in (self.g, self.h):
            net.initialise(generator)

    @property
    def weights(self) -> list[Tensor]:
        """The weight matrices of both networks."""
        return [weight for net in (self.g, self.h) for weight, _ in net.layers]

    def observe(self, demonstrations: Transitions, behaviour: Transitions) -> None:
        """Update the normalisation of inputs."""
        self._inputs.observe(demonstrations, behaviour)

    def read(self, steps: Transitions) -> Tensor:
        """Encode n steps as [n, width + observed]."""
        return torch.cat([self._inputs(steps.obs, steps.act), self._inputs.states(steps.next_obs)], dim=1)

    def run(self, x: Tensor) -> ShapedPass:
        """Forward pass for x [n, width + observed]."""
        before, after = x[:, : self._inputs.observed], x[:, self._inputs.width :]
        g, h = self.g.run(x[:, : self._reads]), self.h.run(torch.cat([after, before]))
        return ShapedPass(g, h, self._gamma, self._inputs.width)

    def value(self, x: Tensor) -> Tensor:
        """The scores [n], without what a backward pass needs."""
        before, after = x[:, : self._inputs.observed], x[:, self._inputs.width :]
        return self.g.value(x[:, : self._reads]) + self._gamma * self.h.value(after) - self.h.value(before)

    def unshaped(self, obs: Array, act: Array) -> Tensor:
        """g of n steps, [n]."""
        return self.g.value(self._inputs(obs, act)[:, : self._reads])

    def snapshot(self) -> dict[str, Array]:
        """The normalisation of inputs."""
        return self._inputs.snapshot()

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self._inputs.restore(state)


@dataclass(frozen=True, slots=True)
class ShapedPass:
    """A forward pass of `ShapedScore` over n rows (s, a, s')."""

    g: Pass  # forward pass of (s, a), or of s only
    h: Pass  # forward pass of all s', then of all s
    gamma: float
    width: int  # number of inputs of (s, a)

    @property
    def values(self) -> Tensor:
        """f, [n]."""
        after, before = self.h.values.chunk(2)
        return self.g.values + self.gamma * after - before

    def backward(self, into: Tensor) -> None:
        """See `Scored`."""
        self.g.backward(into)
        self.h.backward(torch.cat([self.gamma * into, -into]))

    def input_gradient(self) -> Tensor:
        """See `Scored`; [n, width + observed]."""
        of_g, (after, before) = self.g.input_gradient(), self.h.input_gradient().chunk(2)
        gradient = torch.zeros(len(of_g), self.width + after.shape[1])
        gradient[:, : of_g.shape[1]] = of_g
        gradient[:, : before.shape[1]] -= before
        gradient[:, self.width :] = self.gamma * after
        return gradient

    def backward_gradient(self, direction: Tensor) -> None:
        """See `Scored`."""
        observed = direction.shape[1] - self.width
        self.g.backward_gradient(direction[:, : self.g.given[0].shape[1]])
        self.h.backward_gradient(torch.cat([self.gamma * direction[:, self.width :], -direction[:, :observed]]))


def _check(reward: str, g_reads: str, gamma: float) -> None:
    check_choice("reward", reward, REWARDS)
    check_choice("g_reads", g_reads, INPUTS)
    if not 0 <= gamma <= 1:
        raise UserError(f"reward_model.gamma is {gamma}, the discount of the next potential: give a number from 0 to 1.")


def _log_pi(behaviour: Behaviour, steps: Transitions) -> Tensor:
    """log pi of the executed actions, of the policy's own steps too: for the expert's only these are known."""
    return torch.from_numpy(behaviour.policy.log_prob(steps.obs, steps.act)).float()
