"""What an ensemble wants of its networks, and what they are computed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

from rlhp.types import Array, UserError


class Network(Protocol):
    """M networks of one shape that predict the reward of a step.

    There are two sets of parameters: those that are learned, and running means of them that predict (`average`). Shapes: *B any
    leading axes, n clips of L steps, P parameters. What `prepare` gives, *x for each step, is on the CPU, and so are sums,
    their gradients and predictions, in single precision, whatever the networks are computed on and in.
    """

    flat: Tensor  # [M, P]: all that is learned by gradient, which `backward` puts into `flat.grad`
    weights: Tensor  # [M, W], a view of `flat`: what l2 holds back

    def prepare(self, obs: Array, act: Array) -> Tensor:
        """Observations as networks see them [*B, *O] and actions [*B, *A] -> [*B, *x]."""
        ...

    def observe(self, clips: Callable[[], Tensor]) -> None:
        """Take notice of labelled clips [n, L, *x] that were not there before, to normalise inputs by."""
        ...

    def clip_sums(self, clips: Tensor, step: int) -> Tensor:
        """In training mode: clips [n, L, *x] -> what each member predicts of each, summed over its steps, [M, n].

        Random draws depend on `step` alone, the number of gradient steps before.
        """
        ...

    def backward(self, grad: Tensor) -> None:
        """Compute `flat.grad`, given the loss's gradient for the sums of the last call, [M, n]."""
        ...

    def average(self, share: float) -> None:
        """Move what predicts towards what is learned by this share of the distance; 1: all the way."""
        ...

    def settle(self, x: Tensor) -> None:
        """A fit is over: take from steps of labelled clips [n, *x] what predictions are normalised by, if they are."""
        ...

    def predict(self, x: Tensor) -> Tensor:
        """In evaluation mode, which changes nothing: steps [*B, *x] -> [M, *B]."""
        ...

    def snapshot(self) -> dict[str, Array]:
        """All that changes with training, as arrays on the CPU."""
        ...

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot, which may hold more."""
        ...


def check_members(members: int) -> None:
    """Raises UserError unless there is a member at least."""
    if members < 1:
        raise UserError(f"the reward model wants members of at least 1, not {members}.")
