"""An ensemble of reward predictors and its fit to comparisons (sections 2.2.1 to 2.2.3, appendix A.1)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rlhp.adam import Adam
from rlhp.likelihood import Learned
from rlhp.preference import Loss, agreement
from rlhp.reward import reward_input as reward_inputs
from rlhp.reward.augment import Augmentation, no_augmentation
from rlhp.reward.dataset import Dataset, bootstrap_weights
from rlhp.reward.network import Network
from rlhp.reward.regulariser import Regulariser
from rlhp.reward.subsample import middle_steps, systematic
from rlhp.types import Array, Checked, Comparisons, Evidence, Metrics, Rollout, Setup, Steps, UserError, make_rng, stacked

DECAY = 0.98  # decay of the running means of the losses, per gradient step
MEASURES = ("train_loss", "valid_loss", "train_accuracy", "valid_accuracy")


class RewardEnsemble:
    """An ensemble of M networks that predict the reward of one step, r-hat(o, a), fitted to the teacher's comparisons.

    Each member has its own sample of the comparisons (`bootstrap_weights`), its own l2 coefficient (`regulariser`) and its own
    calibration: after each fit its output is normalised to mean 0 and standard deviation 1 over at most `calibration_steps` steps
    of the labelled segments. 2,048 steps determine both to about two per cent, 512 to about four. r-hat is the mean of the
    members times `spread`. Calling the model never changes it. Calibration runs once per `calibrate_every` gradient steps, for
    runs with short fits and a slow calibration.

    Predictions use running means of the weights over about the last `ema_window` of all gradient steps so far (Polyak and
    Juditsky 1992); 0 uses the weights themselves. These change r-hat by several per cent of its standard deviation from one
    minibatch to the next, which a policy cannot follow.

    A gradient step draws `batch_size` of the `newest` answers (null: all), and calibration reads the same answers. A ranking is
    one answer: a gradient step reads each of its segments once, however many pairs they form. Where reading steps is costly, a
    gradient step reads one in `every` steps of each segment (`systematic`), and query selection one in `query_every`; 1 reads all
    of them.
    """

    chosen: str = ""  # describes the networks where no setting names them

    def __init__(
        self,
        network: Network,
        *,
        loss: Loss,
        regulariser: Regulariser,
        augment: Augmentation = no_augmentation,
        reward_input: str = "obs",
        learning_rate: float = 1e-3,
        batch_size: int = 64,
        newest: int | None = None,
        every: int = 1,
        query_every: int = 1,
        ema_window: float = 0.0,
        spread: float = 1.0,
        calibration_steps: int = 2048,
        calibrate_every: int = 1,
        seed: int = 0,
    ) -> None:
        counts = {"batch_size": batch_size, "every": every, "query_every": query_every, "calibrate_every": calibrate_every}
        counts["newest"] = 1 if newest is None else newest
        if min(counts.values()) < 1 or calibration_steps < 2 or not learning_rate > 0 or not spread > 0:
            raise UserError(
                f"the reward model needs {', '.join(counts)} of at least 1, calibration_steps of at least 2, and a learning_rate "
                "and a spread above 0."
            )
        if not 0 <= ema_window < 1:
            raise UserError(
                f"reward_model.ema_window must be at least 0 and below 1, a fraction of the gradient steps, not {ema_window}."
            )
        members = len(network.flat)
        self._network, self._members, self._seed = network, members, seed
        self._reward_input, self._regulariser, self._augment = reward_inputs.find(reward_input), regulariser, augment
        self._loss, self._loss_parameters = (loss, None) if not isinstance(loss, Learned) else LossParameters.of(loss, members)
        self._configured_loss = loss

        self._batch_size, self._newest, self._learning_rate = batch_size, newest, learning_rate
        self._every, self._query_every, self._ema_window = every, query_every, ema_window
        self._spread, self._calibration_steps, self._calibrate_every = spread, calibration_steps, calibrate_every
        # beta2 and eps are small so that a member whose weights have decayed recovers although its gradients are small
        fused = network.flat.device.type == "cpu"
        self._optimiser = Adam([network.flat], lr=learning_rate, betas=(0.9, 0.99), eps=1e-12, fused=fused)
        self._mean, self._std = torch.zeros(members, 1), torch.ones(members, 1)
        self._l2 = regulariser.start(members)
        self._running = np.full((len(MEASURES), members), np.nan)
        self._steps, self._calibrated = 0, 0  # gradient steps so far, and at the last calibration
        self._data: Dataset | None = None

    def check(self, setup: Setup) -> None:
        """Raise UserError if the loss cannot learn from this run's queries."""
        if isinstance(self._configured_loss, Checked):
            self._configured_loss.check(setup)

    def __call__(self, rollout: Rollout) -> Array:
        """r-hat of every step, [T, N] float32: the mean of the calibrated members at the observation named by `reward_input`."""
        raw = self._network.predict(self._network.prepare(self._reward_input(rollout), rollout.act))
        raw = raw.flatten(1)
        return (self._spread * ((raw - self._mean) / self._std).mean(dim=0)).reshape(rollout.true_reward.shape).numpy()

    def predict_members(self, steps: Steps) -> Array:
        """Each member's rewards, in the units that the preference model sums: [M, n, L] float32.

        Where only one step in `query_every` is read, its reward is repeated for the steps around it.
        """
        length = steps.true_reward.shape[1]
        read, represents = middle_steps(length, self._query_every)
        x = self._network.prepare(stacked(steps.obs, length, axis=1)[:, read], steps.act[:, read])
        return self._network.predict(x).numpy().repeat(represents, axis=2)

    def held_out(self, queries: Array) -> Array:
        """The answers that each member never trains on, [M, n] bool, by query id [n]."""
        return bootstrap_weights(queries, self._members, self._seed) == 0

    def fit(self, evidence: Evidence, gradient_steps: int) -> Metrics:
        """Train on the comparisons until the run has made `gradient_steps`, then calibrate.

        Returns the members' mean losses and accuracies (running means over gradient steps), the l2 coefficient and the number of
        gradient steps so far. Validation measures use the answers that each member never trains on. A measure without data is
        absent.
        """
        comparisons = evidence.comparisons
        if comparisons.flagged.all() or gradient_steps <= self._steps:
            return {}
        data = self._dataset(comparisons)
        while self._steps < gradient_steps:
            self._step(data)
        if self._calibrated == 0 or self._steps - self._calibrated >= self._calibrate_every:
            self._calibrate(data)
        measures = {k: v for k, v in zip(MEASURES, self._running.mean(axis=1).tolist(), strict=True) if v == v}
        return {**measures, "l2": float(self._l2.mean()), "fit_steps": float(self._steps)}

    def _dataset(self, comparisons: Comparisons) -> Dataset:
        """The data set of the comparisons, cached until there are more of them; the network then observes the new ones."""
        if self._data is None or comparisons is not self._data.comparisons:
            counted = 0 if self._data is None else len(self._data)
            data = Dataset(comparisons, self._network.prepare, self._members, self._seed, self._newest)
            self._network.observe(lambda: data.clips(counted))
            self._data = data
        return self._data

    def _step(self, data: Dataset) -> None:
        """One gradient step of every member on one shared batch; the answers that a member holds out measure its validation."""
        batch = data.batch(data.draw(make_rng(self._seed, "batch", self._steps), self._batch_size))
        clips, factor = self._thinned(self._augment(batch.clips, self._steps))
        sums = self._network.clip_sums(clips, self._steps).requires_grad_()
        losses = self._loss(factor * sums, batch.rankings)
        trained = (losses * batch.seen).sum(dim=1) / batch.seen.sum(dim=1).clamp(min=1e-6)
        # a sum, not a mean: the step of a member must not depend on their number
        if self._loss_parameters is None:
            self._network.backward(*torch.autograd.grad(trained.sum(), sums))
        else:
            gradient, own = torch.autograd.grad(trained.sum(), (sums, self._loss_parameters.parameters), allow_unused=True)
            self._network.backward(gradient)
            self._loss_parameters.step(own)
        self._optimiser.step()
        self._decay()
        self._steps += 1
        self._network.average(1 / max(1.0, self._ema_window * self._steps))
        agrees = agreement(sums.detach(), batch.rankings)
        self._measure(losses.detach().numpy(), agrees.numpy(), batch.seen.numpy())

    def _thinned(self, clips: Tensor) -> tuple[Tensor, float]:
        """The steps of clips [n, L, ...] that a gradient step reads, and the factor that scales their sum up to whole clips."""
        if self._every == 1:
            return clips, 1.0
        n, length = clips.shape[:2]
        read = systematic(n, length, self._every, make_rng(self._seed, "phase", self._steps))
        chosen = clips.numpy()[np.arange(n)[:, np.newaxis], read]  # numpy copies whole stacks; torch copies byte by byte
        return torch.from_numpy(chosen), length / read.shape[1]

    def _decay(self) -> None:
        """Shrink the weights, but not the biases, by the l2 coefficients."""
        keep = torch.from_numpy(1 - self._learning_rate * self._l2).float().unsqueeze(1)
        self._network.weights.mul_(keep.to(self._network.weights.device))

    def _measure(self, losses: Array, right: Array, seen: Array) -> None:
        """Update the running means, then the l2 coefficients that depend on them."""
        train, valid = seen, (seen == 0).astype(np.float32)
        now = np.stack([_mean(losses, train), _mean(losses, valid), _mean(right, train), _mean(right, valid)])
        now = np.where(np.isnan(now), self._running, now)
        self._running = np.where(np.isnan(self._running), now, DECAY * self._running + (1 - DECAY) * now)
        self._l2 = self._regulariser.next(self._l2, self._running[0], self._running[1])

    def _calibrate(self, data: Dataset) -> None:
        """Normalise every member to mean 0 and standard deviation 1 over the labelled clips (section 2.2.1)."""
        x = data.steps(self._calibration_steps)
        self._network.settle(x)
        self._calibrated, raw = self._steps, self._network.predict(x)
        self._mean = raw.mean(dim=1, keepdim=True)
        self._std = raw.std(dim=1, keepdim=True, correction=0).clamp(min=1e-6)

    def snapshot(self) -> dict[str, Array]:
        """Everything that training changes, as arrays."""
        adam = {f"adam/{k}": v.cpu().numpy().copy() for k, v in self._optimiser.state[0].items()}
        outputs = {"outputs/mean": self._mean.numpy(), "outputs/std": self._std.numpy()}
        rest = {"l2": self._l2, "running": self._running, "steps": np.array(self._steps)}
        rest["calibrated"] = np.array(self._calibrated)
        rest |= {} if self._loss_parameters is None else self._loss_parameters.snapshot()
        return {**adam, **self._network.snapshot(), **outputs, **rest}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot of an ensemble of the same shape."""
        self._network.restore(state)
        for k, v in self._optimiser.state[0].items():
            v.copy_(torch.from_numpy(state[f"adam/{k}"]))
        self._mean, self._std = (torch.from_numpy(state[f"outputs/{k}"].copy()) for k in ("mean", "std"))
        self._l2, self._running = state["l2"].copy(), state["running"].copy()
        self._steps = int(state["steps"])
        self._calibrated = int(state.get("calibrated", self._steps))  # checkpoints without it calibrated after each fit
        self._data = None
        if self._loss_parameters is not None:
            self._loss_parameters.restore(state)


class LossParameters:
    """The parameters of a loss that has some, and their optimiser."""

    def __init__(self, parameters: Tensor, learning_rate: float, decay: float) -> None:
        self.parameters, self._keep = parameters, 1 - learning_rate * decay
        self._optimiser = Adam([parameters], lr=learning_rate)

    @classmethod
    def of(cls, loss: Learned, members: int) -> tuple[Loss, LossParameters]:
        """Start the loss for this number of members; returns it and its parameters."""
        started, parameters = loss.start(members)
        return started, cls(parameters, loss.learning_rate, loss.decay)

    def step(self, gradient: Tensor | None) -> None:
        """One step of gradient descent. `gradient` is None if no answer of the batch depends on the parameters."""
        if gradient is None:
            return
        self.parameters.grad = gradient
        self._optimiser.step()
        self.parameters.detach().mul_(self._keep)

    def _state(self) -> dict[str, Tensor]:
        return {"loss/parameters": self.parameters.detach(), **{f"loss/{k}": v for k, v in self._optimiser.state[0].items()}}

    def snapshot(self) -> dict[str, Array]:
        """Everything that training changes, as arrays."""
        return {name: value.numpy().copy() for name, value in self._state().items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot."""
        for name, value in self._state().items():
            value.copy_(torch.from_numpy(state[name]))


def _mean(values: Array, weight: Array) -> Array:
    """Weighted mean over the last axis, without NaN entries; NaN where none are left."""
    known = ~np.isnan(values)
    weight = np.where(known, weight, 0.0)
    total = weight.sum(axis=1)
    mean = (np.where(known, values, 0.0) * weight).sum(axis=1) / np.maximum(total, 1e-12)
    return np.where(total > 0, mean, np.nan)
