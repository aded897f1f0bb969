"""Adam, the optimiser of policy and reward model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

SETTINGS = {"betas", "eps", "fused"}  # in addition to the learning rate


class Adam:
    """Adam (Kingma and Ba 2015): bit for bit the results of `torch.optim.Adam` in less time.

    Creating the first optimiser of torch imports its compiler, which takes more than a second, and each of its steps runs hooks
    and checks that take longer than the arithmetic for a small network. This class has the interface that the agents use and the
    same state dictionary, in which moments exist from the start. Every parameter must have a gradient when `step` is called.
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
        """Make one optimiser step."""
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
        """The moments of each parameter by its index, and the learning rate; not copied."""
        return {"state": dict(enumerate(self.state)), "param_groups": [{"lr": self.param_groups[0]["lr"]}]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, also that of torch's Adam; missing moments, as before its first step, are 0."""
        for i, mine in enumerate(self.state):
            saved = state_dict["state"].get(i, {})
            for name, value in mine.items():
                value.copy_(saved[name]) if saved else value.zero_()
        self.param_groups[0]["lr"] = state_dict["param_groups"][0]["lr"]
