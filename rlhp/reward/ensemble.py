"""The ensemble of reward predictors and how it is fitted to comparisons (sections 2.2.1 to 2.2.3, appendix A.1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rlhp.adam import Adam
from rlhp.preference import Loss
from rlhp.reward import credit as credits
from rlhp.reward import network
from rlhp.reward.augment import Augment, whole
from rlhp.reward.dataset import Dataset
from rlhp.reward.features import Moments, Normaliser, Weigh, encode, encode_steps, lasting, width
from rlhp.reward.network import ClipSums
from rlhp.reward.regularise import Penalty
from rlhp.types import Array, Comparisons, Metrics, Rollout, Steps, UserError, stream

CALIBRATION_STEPS = 2048  # at most: enough for a mean and a spread good to about two per cent
MEMORY = 0.98  # of the running means of the losses, per gradient step
MEASURES = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")


class Ensemble:
    """M predictors of the reward of one step, r-hat(o, a), fitted to the teacher's comparisons.

    The members see different comparisons (`bootstrap_weights`), are held back one by one (`penalty`), and are brought to
    mean 0 and spread 1 one by one after each fit, over the labelled clips; r-hat is their mean. All of them train and
    predict in one batched pass. Calling it never changes it.

    What predicts are running means of the weights, over about the last `average_over` of the gradient steps made so far (Polyak
    and Juditsky 1992); 0: the weights themselves. Those go on jumping from one minibatch to the next by several per cent of
    r-hat's spread, and a policy cannot maximise what jumps.
    """

    def __init__(
        self,
        observation_space: spaces.Space,
        action_space: spaces.Space,
        *,
        loss: Loss,
        penalty: Penalty,
        augment: Augment = whole,
        inputs: Weigh = lasting,
        credit: str = "departure",
        members: int = 3,
        hidden: Sequence[int] = (64, 64),
        learning_rate: float = 1e-3,
        batch_size: int = 64,
        average_over: float = 0.0,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        if members < 1 or batch_size < 1 or learning_rate <= 0:
            raise UserError("the reward model wants members and batch_size of at least 1 and a learning_rate above 0.")
        if not isinstance(hidden, Sequence) or any(not isinstance(units, int) or units < 1 for units in hidden):
            raise UserError(
                f"reward_model.hidden lists the units of each layer of the reward model, such as [64, 64], or [], not {hidden}."
            )
        if not 0 <= average_over < 1:
            raise UserError(
                f"the reward model wants an average_over of at least 0 and below 1, a share of its steps, not {average_over}."
            )
        self._action_space, self._credit = action_space, credits.find(credit)
        self._loss, self._penalty, self._augment = loss, penalty, augment
        self._members, self._batch_size, self._seed = members, batch_size, seed
        self._learning_rate = learning_rate
        self._weigh, size = inputs, width(observation_space, action_space)
        generator = torch.Generator().manual_seed(int(stream(seed, "reward").integers(2**31)))
        self._networks = network.init(members, (size, *hidden, 1), generator)
        self._steady = self._networks.like()  # what r-hat is made of
        self._steady.flat.copy_(self._networks.flat)
        self._average_over, self._number = average_over, network.number(precision)
        # a short memory and a tiny eps: a member that the decay has made small must find its way back by small gradients
        self._optimiser = Adam([self._networks.flat], lr=learning_rate, betas=(0.9, 0.99), eps=1e-12, fused=True)
        self._normaliser = Normaliser.identity(size)
        self._mean, self._std = torch.zeros(members, 1), torch.ones(members, 1)
        self._l2 = penalty.start(members)
        self._running = np.full((len(MEASURES), members), np.nan)
        self._steps = 0
        self._data: Dataset | None = None
        self._moments = Moments(size)
        self._sums: ClipSums | None = None

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step, [T, N] float32, by the observation that `credit` says: each member calibrated, then their mean."""
        x = encode(self._credit(rollout), rollout.act, self._action_space)
        raw = self._predict(x.reshape(-1, x.shape[-1]))
        return ((raw - self._mean) / self._std).mean(dim=0).reshape(x.shape[:-1]).numpy()

    def each(self, steps: Steps) -> Array:
        """The members apart, in the units that the preference model sums: [M, n, L] float32."""
        x = encode_steps(steps, self._action_space)
        return self._predict(x.reshape(-1, x.shape[-1])).reshape(self._members, *x.shape[:2]).numpy()

    def _predict(self, x: Tensor) -> Tensor:
        """Steps [rows, width] -> [M, rows]."""
        return network.forward(self._steady, self._normaliser(x))

    def fit(self, comparisons: Comparisons, effort: int) -> Metrics:
        """Train until `effort` gradient steps have been made since the start; then calibrate.

        Returns the members' mean losses and accuracies (running means over gradient steps), validation measured on what
        each member never trains on (a measure without anything to measure is absent); the l2 coefficient; the number of
        gradient steps so far.
        """
        if len(comparisons) == 0 or effort <= self._steps:
            return {}
        data = self._dataset(comparisons)
        while self._steps < effort:
            self._step(data)
        self._calibrate(data)
        measures = {k: v for k, v in zip(MEASURES, self._running.mean(axis=1).tolist(), strict=True) if v == v}
        return {**measures, "l2": float(self._l2.mean()), "fit_steps": float(self._steps)}

    def _dataset(self, comparisons: Comparisons) -> Dataset:
        """The comparisons, kept until there are more of them; the normaliser is then renewed."""
        if self._data is None or comparisons is not self._data.comparisons:
            counted = 0 if self._data is None else len(self._data)
            self._data = Dataset(comparisons, self._action_space, self._members, self._seed)
            self._moments.extend(self._data.clips(counted).numpy())
            self._normaliser = self._moments.normaliser(self._weigh)
        return self._data

    def _step(self, data: Dataset) -> None:
        """One gradient step of every member on one shared batch; what a member holds out of it measures its validation."""
        rows = stream(self._seed, "batch", self._steps).integers(len(data), size=self._batch_size)
        batch = data.batch(rows)
        clip_sums = self._clip_sums(*batch.clips.shape[:2])
        sums = clip_sums(self._normaliser(self._augment(batch.clips, self._steps))).requires_grad_()
        left, right = sums.chunk(2, dim=1)
        losses = self._loss(left, right, batch.labels)
        trained = (losses * batch.weight).sum(dim=1) / batch.weight.sum(dim=1).clamp(min=1e-6)
        # the sum: a member's step must not shrink with their number
        clip_sums.backward(*torch.autograd.grad(trained.sum(), sums))
        self._optimiser.step()
        self._networks.weights.mul_(torch.from_numpy(1 - self._learning_rate * self._l2).float().unsqueeze(1))  # biases are free
        self._steps += 1
        self._steady.flat.lerp_(self._networks.flat, 1 / max(1.0, self._average_over * self._steps))
        agrees = _right((left - right).detach(), batch.labels.mu)
        self._measure(losses.detach().numpy(), agrees.numpy(), batch.seen.numpy())

    def _clip_sums(self, clips: int, length: int) -> ClipSums:
        """For batches of this shape, or of shorter clips: made at the first of them, for a run has one shape."""
        if self._sums is None or self._sums.shape != (clips, length):
            self._sums = ClipSums(self._networks, clips, length, self._number)
            self._networks.flat.grad = self._sums.grad.flat
        return self._sums

    def _measure(self, losses: Array, right: Array, seen: Array) -> None:
        """Update the running means and, from them, the l2 coefficients."""
        train, valid = seen, (seen == 0).astype(np.float32)
        now = np.stack([_mean(losses, train), _mean(losses, valid), _mean(right, train), _mean(right, valid)])
        now = np.where(np.isnan(now), self._running, now)
        self._running = np.where(np.isnan(self._running), now, MEMORY * self._running + (1 - MEMORY) * now)
        self._l2 = self._penalty.next(self._l2, self._running[0], self._running[1])

    def _calibrate(self, data: Dataset) -> None:
        """Mean 0 and spread 1 for every member over the labelled clips (section 2.2.1)."""
        raw = self._predict(data.steps(CALIBRATION_STEPS))
        self._mean = raw.mean(dim=1, keepdim=True)
        self._std = raw.std(dim=1, keepdim=True, correction=0).clamp(min=1e-6)

    def snapshot(self) -> dict[str, Array]:
        """All that changes with training, as arrays."""
        adam = {f"adam/{k}": v.numpy().copy() for k, v in self._optimiser.state[0].items()}
        weights = {"weights": self._networks.flat.numpy().copy(), "steady": self._steady.flat.numpy().copy()}
        inputs = {"inputs/mean": self._normaliser.mean.numpy(), "inputs/unit": self._normaliser.unit.numpy()}
        outputs = {"outputs/mean": self._mean.numpy(), "outputs/std": self._std.numpy()}
        rest = {"l2": self._l2, "running": self._running, "steps": np.array(self._steps)}
        return {**adam, **weights, **inputs, **outputs, **rest}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot of an ensemble of the same shape."""
        self._networks.flat.copy_(torch.from_numpy(state["weights"]))
        self._steady.flat.copy_(torch.from_numpy(state["steady"]))
        for k, v in self._optimiser.state[0].items():
            v.copy_(torch.from_numpy(state[f"adam/{k}"]))
        self._normaliser = Normaliser(
            torch.from_numpy(state["inputs/mean"].copy()), torch.from_numpy(state["inputs/unit"].copy())
        )
        self._mean, self._std = (torch.from_numpy(state[f"outputs/{k}"].copy()) for k in ("mean", "std"))
        self._l2, self._running = state["l2"].copy(), state["running"].copy()
        self._steps = int(state["steps"])
        self._data, self._moments = None, Moments(len(self._normaliser.mean))


def _right(delta: Tensor, mu: Tensor) -> Tensor:
    """Whether each member agrees with the teacher: 1, 0, or NaN where the teacher found both equal; [M, n]."""
    agrees = (delta * (mu - 0.5) > 0).float()  # a member that finds both equal is wrong, whichever is better
    return torch.where(mu == 0.5, torch.nan, agrees)


def _mean(values: Array, weight: Array) -> Array:
    """Weighted mean over the last axis, NaN entries left out; NaN where nothing is left."""
    known = ~np.isnan(values)
    weight = np.where(known, weight, 0.0)
    total = weight.sum(axis=1)
    mean = (np.where(known, values, 0.0) * weight).sum(axis=1) / np.maximum(total, 1e-12)
    return np.where(total > 0, mean, np.nan)
