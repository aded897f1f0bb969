"""MuJoCo's model and data as arrays, wherever an environment holds them."""

from __future__ import annotations

import sys
from hashlib import blake2b
from typing import Any

import numpy as np

from rlhp.types import Array

Arrays = dict[str, Array]


def is_model(value: Any) -> bool:
    """Whether it is a `mujoco.MjModel`; where nobody has imported MuJoCo nothing is."""
    return (mujoco := sys.modules.get("mujoco")) is not None and isinstance(value, mujoco.MjModel)


def is_data(value: Any) -> bool:
    """Whether it is a `mujoco.MjData`."""
    return (mujoco := sys.modules.get("mujoco")) is not None and isinstance(value, mujoco.MjData)


def is_of_mujoco(value: Any) -> bool:
    """Whether it is one of the two."""
    return is_model(value) or is_data(value)


def _arrays(value: Any) -> Arrays:
    held = {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}
    return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}


def digests(model: Any) -> dict[str, bytes]:
    """A digest of each of the model's arrays."""
    return {name: digest(array) for name, array in _arrays(model).items()}


def digest(array: Array) -> bytes:
    """What tells an array's content from another's."""
    return blake2b(array.tobytes(), digest_size=16).digest()


def changes(model: Any, before: dict[str, bytes]) -> Arrays:
    """The model's arrays that are not what these digests are of, such as masses that an environment draws at random."""
    now = digests(model)
    return {name: array.copy() for name, array in _arrays(model).items() if now[name] != before.get(name)}


def change(model: Any, arrays: Arrays) -> None:
    """Write arrays into a model."""
    for name, array in arrays.items():
        getattr(model, name)[...] = array


def saved(data: Any) -> Arrays:
    """All that the next step depends on (mjSTATE_INTEGRATION), and what was computed on the way to it.

    Positions in space, contact forces and the like lag the state of the last step and cannot be computed from it, and
    environments observe them. Contacts and constraints, of which there are now more and now fewer, are left out: a step computes
    them anew before it needs them.
    """
    import mujoco

    state = np.empty(mujoco.mj_stateSize(data.model, _everything()))
    mujoco.mj_getState(data.model, data, state, _everything())
    return {"state": state, **{f"data.{name}": array.copy() for name, array in _arrays(data).items() if _kept(name)}}


def load(data: Any, arrays: Arrays) -> None:
    """Put saved physics back."""
    import mujoco

    mujoco.mj_setState(data.model, data, arrays["state"], _everything())
    mujoco.mj_forward(data.model, data)  # contacts near those that were
    mujoco.mj_setState(data.model, data, arrays["state"], _everything())  # which the solver's warm start is part of
    for name, array in arrays.items():
        if name != "state" and (now := getattr(data, name.removeprefix("data."))).shape == array.shape:
            now[...] = array


def _everything() -> int:
    import mujoco

    return int(mujoco.mjtState.mjSTATE_INTEGRATION)


def _kept(name: str) -> bool:
    """Neither what varies in size with contacts and constraints, nor addresses of plug-ins in this process's memory."""
    return not name.startswith(("efc_", "efm_", "iefc_", "iacc", "ifrc_", "island_", "map_", "plugin"))
