"""What an agent depends on beside itself, as arrays of a snapshot: its optimiser, its normaliser, the random streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecNormalize

from rlhp.types import Array


def part(state: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The entries of a snapshot below `name`, without it."""
    return {k.removeprefix(f"{name}/"): v for k, v in state.items() if k.startswith(f"{name}/")}


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Array]:
    """The moments of each parameter by its number; whole numbers stay whole numbers."""
    state = optimiser.state_dict()["state"]
    return {
        f"{i}/{k}": v.cpu().numpy().copy() if isinstance(v, torch.Tensor) else np.array(v)
        for i, moments in state.items()
        for k, v in moments.items()
        if v is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Array]) -> None:
    """Go on from `optimiser_state`."""
    moments: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        i, name = key.split("/")
        whole = value.ndim == 0 and value.dtype.kind == "i"
        moments.setdefault(int(i), {})[name] = int(value) if whole else torch.from_numpy(value.copy())
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})


def normaliser_state(normaliser: VecNormalize | None) -> dict[str, Array]:
    """The moments of the observations; nothing where there is no normaliser."""
    if normaliser is None:
        return {}
    rms = normaliser.obs_rms
    return {"mean": np.array(rms.mean), "var": np.array(rms.var), "count": np.array(rms.count)}  # type: ignore[union-attr]


def restore_normaliser(normaliser: VecNormalize | None, state: dict[str, Array]) -> None:
    """Go on from `normaliser_state`; nothing to do where there is no normaliser."""
    if normaliser is not None:
        rms = normaliser.obs_rms
        rms.mean, rms.var, rms.count = state["mean"].copy(), state["var"].copy(), float(state["count"])  # type: ignore[union-attr]


def random_state() -> dict[str, Array]:
    """SB3 draws actions from torch's global stream and shuffles minibatches by NumPy's."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    assert kind == "MT19937"
    return {
        "torch": torch.get_rng_state().numpy(),
        "keys": np.asarray(keys),
        "position": np.array([position, has_gauss]),
        "gauss": np.array(gauss),
    }


def restore_random(state: dict[str, Array]) -> None:
    """Go on from `random_state`."""
    torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
    position, has_gauss = (int(v) for v in state["position"])
    np.random.set_state(("MT19937", state["keys"], position, has_gauss, float(state["gauss"])))
