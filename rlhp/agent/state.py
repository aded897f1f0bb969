"""The state of an agent's optimiser, observation normaliser and random generators, as arrays of a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.vec_env import VecNormalize

from rlhp.types import Array


def part(state: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The entries of a snapshot with the prefix `name/`, without the prefix."""
    return {k.removeprefix(f"{name}/"): v for k, v in state.items() if k.startswith(f"{name}/")}


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Array]:
    """The optimiser's state of each parameter, by index; integers stay integers."""
    state = optimiser.state_dict()["state"]
    return {
        f"{i}/{k}": v.cpu().numpy().copy() if isinstance(v, torch.Tensor) else np.array(v)
        for i, moments in state.items()
        for k, v in moments.items()
        if v is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Array]) -> None:
    """Restore what `optimiser_state` returned."""
    moments: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        i, name = key.split("/")
        whole = value.ndim == 0 and value.dtype.kind == "i"
        moments.setdefault(int(i), {})[name] = int(value) if whole else torch.from_numpy(value.copy())
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})


def normaliser_state(normaliser: VecNormalize | None) -> dict[str, Array]:
    """The statistics of the observations; empty without a normaliser."""
    if normaliser is None:
        return {}
    rms = normaliser.obs_rms
    return {"mean": np.array(rms.mean), "var": np.array(rms.var), "count": np.array(rms.count)}  # type: ignore[union-attr]


def restore_normaliser(normaliser: VecNormalize | None, state: dict[str, Array]) -> None:
    """Restore what `normaliser_state` returned; does nothing without a normaliser."""
    if normaliser is not None:
        rms = normaliser.obs_rms
        rms.mean, rms.var, rms.count = state["mean"].copy(), state["var"].copy(), float(state["count"])  # type: ignore[union-attr]


def random_state() -> dict[str, Array]:
    """The states of torch's global random generator, which samples SB3's actions, and of NumPy's, which shuffles minibatches."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    assert kind == "MT19937"
    return {
        "torch": torch.get_rng_state().numpy(),
        "keys": np.asarray(keys),
        "position": np.array([position, has_gauss]),
        "gauss": np.array(gauss),
    }


def restore_random(state: dict[str, Array]) -> None:
    """Restore what `random_state` returned."""
    torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
    position, has_gauss = (int(v) for v in state["position"])
    np.random.set_state(("MT19937", state["keys"], position, has_gauss, float(state["gauss"])))
