"""The optimiser of the policy and of the reward model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

SETTINGS = {"betas", "eps", "fused"}  # beside the learning rate


class Adam:
    """Adam (Kingma and Ba 2015): the numbers of `torch.optim.Adam`, bit for bit, in less time.

    The first optimiser of torch's own kind imports its compiler, which takes more than a second, and each step of theirs passes
    hooks and checks that take longer than the arithmetic on a small network. This one has what the agents ask of an
    optimiser, and the same state dictionary; moments are there from the beginning. Gradients are those that the parameters
    hold when `step` is called, and every parameter must have one.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        fused: bool | None = None,
    ) -> None:
        self._params = list(params)
        self._values = [p.detach() for p in self._params]
        self.state = [  # of each parameter
            {"step": torch.zeros((), device=v.device), "exp_avg": torch.zeros_like(v), "exp_avg_sq": torch.zeros_like(v)}
            for v in self._values
        ]
        names = ("exp_avg", "exp_avg_sq", "step")
        self._means, self._squares, self._steps = ([state[name] for state in self.state] for name in names)
        self._betas, self._eps, self._fused = betas, eps, fused
        self.param_groups: list[dict[str, Any]] = [{"params": self._params, "lr": lr}]  # SB3 sets the rate here

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients."""
        adam(
            self._values,
            [p.grad for p in self._params],  # type: ignore[misc]
            self._means,
            self._squares,
            [],
            self._steps,
            fused=self._fused,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=self.param_groups[0]["lr"],
            weight_decay=0,
            eps=self._eps,
            maximize=False,
        )

    def state_dict(self) -> dict[str, Any]:
        """The moments of each parameter by its number, and the learning rate: not copies."""
        return {"state": dict(enumerate(self.state)), "param_groups": [{"lr": self.param_groups[0]["lr"]}]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave; before the first step torch's own gives no moments, which are zero then."""
        for i, mine in enumerate(self.state):
            saved = state_dict["state"].get(i, {})
            for name, value in mine.items():
                value.copy_(saved[name]) if saved else value.zero_()
        self.param_groups[0]["lr"] = state_dict["param_groups"][0]["lr"]
