"""Fitting a policy to actions by maximum likelihood: for behaviour cloning, and in each round of DAgger and SMILe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.vec_env import VecNormalize
from torch import Tensor

from rlhp.agent import actions
from rlhp.agent.blind import Blind
from rlhp.agent.refit import acting_parameters
from rlhp.types import Array, Metrics, Transitions, UserError, make_rng, numbers

CONSTANT = 1e-12  # variance below which an observation is constant
ROWS = 1024  # held-out steps in one forward pass


class Cloner:
    """Fits an agent's policy to given actions by maximum likelihood; the value function does not change.

    The mean of a Gaussian policy is fitted by squared error, which is maximum likelihood for any standard deviation. The
    standard deviation is set last, to the error on the held-out steps, its maximum-likelihood value, but to at least `min_std`.
    Categorical policies are fitted by cross-entropy. If the agent normalises observations, it uses the statistics of the
    training data. Observations that are constant there keep their scale; otherwise the smallest change would become an extreme
    value.

    A random fraction `held_out` of the steps is never trained on; the final policy is the one that fits them best (early
    stopping). Single steps are held out although their neighbours are trained on, which whole episodes would avoid: of a few
    episodes none can be spared, and an unusual held-out episode would stop the fit much too early. The learning rate falls
    linearly to 0 over `total_steps` gradient steps. Raises UserError for settings out of range.
    """

    def __init__(
        self,
        agent: Blind,
        *,
        total_steps: int,
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        weight_decay: float = 0.0,
        held_out: float = 0.1,
        min_std: float = 0.05,
        seed: int = 0,
    ) -> None:
        if total_steps < 1 or batch_size < 1 or not learning_rate > 0 or weight_decay < 0 or not min_std > 0:
            raise UserError(
                "cloning needs total_steps and batch_size of at least 1, learning_rate and min_std above 0, and weight_decay of "
                "at least 0."
            )
        if not 0 < held_out < 1:
            raise UserError(f"cloning needs a held_out between 0 and 1, a fraction of the steps, not {held_out}.")
        self.agent, self.steps = agent, 0
        self._total, self._batch_size, self._seed = total_steps, batch_size, seed
        self._learning_rate, self._held_out, self._min_std = learning_rate, held_out, min_std
        self._parameters = acting_parameters(agent.policy)
        self._optimiser = torch.optim.AdamW(self._parameters, lr=learning_rate, weight_decay=weight_decay)
        self._best, self._kept = np.inf, self._weights()
        self._data: tuple[Transitions, Array, Array] | None = None  # data, training rows and held-out rows

    def fit(self, data: Transitions, until: int) -> Metrics:
        """Make gradient steps until `until` have been made in total; every call gets the same `data`.

        Returns the mean loss of these gradient steps and the loss on the held-out steps: squared error or cross-entropy, in nats
        up to a constant.
        """
        train, valid = self._rows(data)
        losses = []
        while self.steps < until:
            losses.append(self._step(data, train))
        loss = self._loss_of(data, valid)
        if loss < self._best:
            self._best, self._kept = loss, self._weights()
        metrics = {"train_loss": float(np.mean(losses)), "valid_loss": loss} if losses else {"valid_loss": loss}
        return {**metrics, "fit_steps": float(self.steps)}

    def finish(self, data: Transitions) -> Metrics:
        """Restore the policy with the best held-out loss, and set its standard deviation."""
        with torch.no_grad():
            for parameter, kept in zip(self._parameters, self._kept, strict=True):
                parameter.copy_(kept)
        spread = self._set_spread(data, self._rows(data)[1])
        return {"best_valid_loss": self._best, **spread}

    def _rows(self, data: Transitions) -> tuple[Array, Array]:
        """The training rows and the held-out rows; for new data, also sets the statistics that normalise observations."""
        if self._data is None or self._data[0] is not data:
            order = make_rng(self._seed, "held out").permutation(len(data))
            held = max(1, round(self._held_out * len(data)))
            if held >= len(data):
                raise UserError(f"{len(data)} steps are too few to learn from; give more demonstrations.")
            self._data = data, order[held:], np.sort(order[:held])
            self._normalise_by(data, self._data[1])
        return self._data[1], self._data[2]

    def _normalise_by(self, data: Transitions, rows: Array) -> None:
        normaliser: VecNormalize | None = self.agent.get_vec_normalize_env()
        if normaliser is None:
            return
        rms: Any = normaliser.obs_rms
        seen = numbers(normaliser.observation_space, data.obs[rows]).astype(np.float64)
        mean, var = seen.mean(axis=0), seen.var(axis=0)
        rms.mean, rms.var, rms.count = mean, np.where(var > CONSTANT, var, 1.0), float(len(rows))

    def _step(self, data: Transitions, train: Array) -> float:
        rows = train[make_rng(self._seed, "clone", self.steps).integers(len(train), size=self._batch_size)]
        loss = self._losses(data, rows).mean()
        for group in self._optimiser.param_groups:
            group["lr"] = self._learning_rate * (1 - min(self.steps / self._total, 1.0))
        for parameter, gradient in zip(self._parameters, _gradients(loss, self._parameters), strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad.copy_(gradient)
        self._optimiser.step()
        self.steps += 1
        return float(loss.detach())

    def _losses(self, data: Transitions, rows: Array) -> Tensor:
        """The loss of each row, [n]."""
        distribution, act = self._distribution(data, rows)
        if isinstance(distribution, DiagGaussianDistribution):
            return 0.5 * (act - distribution.distribution.mean).square().sum(dim=1)
        return -distribution.log_prob(act)

    def _distribution(self, data: Transitions, rows: Array) -> tuple[Any, Tensor]:
        """The policy's distribution at these steps, and the actions taken [n, *A]."""
        policy, normaliser = self.agent.policy, self.agent.get_vec_normalize_env()
        obs = data.obs[rows] if normaliser is None else normaliser.normalize_obs(data.obs[rows])
        act = actions.of(self.agent.recorder.venv.action_space).chosen(data.act[rows])
        return policy.get_distribution(policy.obs_to_tensor(obs)[0]), torch.as_tensor(act, device=policy.device)

    def _loss_of(self, data: Transitions, rows: Array) -> float:
        with torch.no_grad():
            return float(torch.cat([self._losses(data, rows[i : i + ROWS]) for i in range(0, len(rows), ROWS)]).mean())

    def _set_spread(self, data: Transitions, rows: Array) -> Metrics:
        """Set the maximum-likelihood standard deviation of a Gaussian policy, given its mean."""
        log_std: Tensor | None = getattr(self.agent.policy, "log_std", None)
        if log_std is None:
            return {}
        with torch.no_grad():
            errors = []
            for i in range(0, len(rows), ROWS):
                distribution, act = self._distribution(data, rows[i : i + ROWS])
                errors.append(act - distribution.distribution.mean)
            std = torch.cat(errors).square().mean(dim=0).sqrt().clamp(min=self._min_std)
            log_std.copy_(std.log())
        return {"action_std": float(std.mean())}

    def _weights(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self._parameters]

    def snapshot(self) -> dict[str, Array]:
        """Return everything except the agent that the next gradient step depends on."""
        moments = self._optimiser.state_dict()["state"]
        adam = {f"adam/{i}/{k}": v.cpu().numpy().copy() for i, each in moments.items() for k, v in each.items()}
        kept = {f"kept/{i}": weights.cpu().numpy().copy() for i, weights in enumerate(self._kept)}
        return {**adam, **kept, "best": np.array(self._best), "steps": np.array(self.steps)}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        self.steps, self._best, moments = int(state["steps"]), float(state["best"]), {}
        self._kept = [torch.from_numpy(state[f"kept/{i}"].copy()) for i in range(len(self._kept))]
        for key, value in state.items():
            if key.startswith("adam/"):
                _, i, name = key.split("/")
                moments.setdefault(int(i), {})[name] = torch.from_numpy(value.copy())
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": moments})


def _gradients(loss: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The gradient of each parameter; zeros for parameters that the loss does not depend on."""
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return tuple(torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True))
