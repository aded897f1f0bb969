"""The interface between an ensemble and its networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from rlhp.types import Array, UserError


class Network(Protocol):
    """M networks of one shape that predict the reward of a step.

    There are two sets of parameters: the learned ones, and running means of them, which predict (`average`). Shapes: *B any
    leading axes, n clips of L steps, P parameters. The output of `prepare`, *x for each step, is on the CPU. So are sums, their
    gradients and predictions, in single precision, whatever device and precision the networks use.
    """

    flat: Tensor  # [M, P]: all learned parameters; `backward` writes their gradient to `flat.grad`
    weights: Tensor  # [M, W], a view of `flat`: the parameters that l2 applies to

    def prepare(self, obs: Array, act: Array) -> Tensor:
        """Convert observations in the form that networks read [*B, *O] and actions [*B, *A] to network inputs [*B, *x]."""
        ...

    def observe(self, clips: Callable[[], Tensor]) -> None:
        """Update the input normalisation with new labelled clips [n, L, *x]."""
        ...

    def clip_sums(self, clips: Tensor, step: int) -> Tensor:
        """Each member's predictions for clips [n, L, *x] in training mode, summed over their steps: [M, n].

        Random draws depend only on `step`, the number of earlier gradient steps.
        """
        ...

    def backward(self, grad: Tensor) -> None:
        """Compute `flat.grad` from the gradient of the loss with respect to the sums of the last call, [M, n]."""
        ...

    def average(self, share: float) -> None:
        """Move the parameters that predict towards the learned ones by this fraction of the difference; 1 copies them."""
        ...

    def settle(self, x: Tensor) -> None:
        """After a fit, update the statistics that normalise predictions, where there are any, from labelled steps [n, *x]."""
        ...

    def predict(self, x: Tensor) -> Tensor:
        """Predictions in evaluation mode, without side effects: steps [*B, *x] -> [M, *B]."""
        ...

    def snapshot(self) -> dict[str, Array]:
        """Everything that training changes, as arrays on the CPU."""
        ...

    def restore(self, state: dict[str, Array]) -> None:
        """Continue from a snapshot, which may have further entries."""
        ...


def check_members(members: int) -> None:
    """Raise UserError unless there is at least one member."""
    if members < 1:
        raise UserError(f"reward_model.members must be at least 1, not {members}.")
