"""MuJoCo's model and data as arrays, for saving and restoring environments."""

from __future__ import annotations

import sys
from hashlib import blake2b
from typing import Any

import numpy as np

from rlhp.types import Array

Arrays = dict[str, Array]


def is_model(value: Any) -> bool:
    """Return whether a value is a `mujoco.MjModel`; False if MuJoCo has not been imported."""
    return (mujoco := sys.modules.get("mujoco")) is not None and isinstance(value, mujoco.MjModel)


def is_data(value: Any) -> bool:
    """Return whether a value is a `mujoco.MjData`."""
    return (mujoco := sys.modules.get("mujoco")) is not None and isinstance(value, mujoco.MjData)


def is_of_mujoco(value: Any) -> bool:
    """Return whether a value is a `mujoco.MjModel` or a `mujoco.MjData`."""
    return is_model(value) or is_data(value)


def _arrays(value: Any) -> Arrays:
    held = {name: getattr(value, name) for name in dir(value) if not name.startswith("_")}
    return {name: array for name, array in held.items() if isinstance(array, np.ndarray)}


def digests(model: Any) -> dict[str, bytes]:
    """Return a digest of each of the model's arrays."""
    return {name: digest(array) for name, array in _arrays(model).items()}


def digest(array: Array) -> bytes:
    """Return a hash of an array's content."""
    return blake2b(array.tobytes(), digest_size=16).digest()


def changes(model: Any, before: dict[str, bytes]) -> Arrays:
    """Return the model's arrays that differ from these digests, such as masses that an environment randomises."""
    now = digests(model)
    return {name: array.copy() for name, array in _arrays(model).items() if now[name] != before.get(name)}


def change(model: Any, arrays: Arrays) -> None:
    """Write arrays into a model."""
    for name, array in arrays.items():
        getattr(model, name)[...] = array


def saved(data: Any) -> Arrays:
    """Return everything that the next step depends on (mjSTATE_INTEGRATION), and derived arrays.

    Cartesian positions, contact forces and the like lag the state of the last step and cannot be computed from it, and
    environments observe them. Contacts and constraints, whose number varies, are left out: a step recomputes them before it needs
    them.
    """
    import mujoco

    state = np.empty(mujoco.mj_stateSize(data.model, _everything()))
    mujoco.mj_getState(data.model, data, state, _everything())
    return {"state": state, **{f"data.{name}": array.copy() for name, array in _arrays(data).items() if _kept(name)}}


def load(data: Any, arrays: Arrays) -> None:
    """Restore saved physics."""
    import mujoco

    mujoco.mj_setState(data.model, data, arrays["state"], _everything())
    mujoco.mj_forward(data.model, data)  # computes contacts close to the saved ones
    mujoco.mj_setState(data.model, data, arrays["state"], _everything())  # again: includes the solver's warm start
    for name, array in arrays.items():
        if name != "state" and (now := getattr(data, name.removeprefix("data."))).shape == array.shape:
            now[...] = array


def _everything() -> int:
    import mujoco

    return int(mujoco.mjtState.mjSTATE_INTEGRATION)


def _kept(name: str) -> bool:
    """Return whether an array is saved: not those whose size varies with contacts, nor memory addresses of plug-ins."""
    return not name.startswith(("efc_", "efm_", "iefc_", "iacc", "ifrc_", "island_", "map_", "plugin"))
