"""A group of environments, stepped one after the other, in the calling process or in a worker process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

from rlhp.envs.gym.single import Factory, Single
from rlhp.types import Array, UserError
from rlhp.workers import Layout, mapped

STEP, RESET, LOAD, CALL = b"s", b"R", b"L", b"C"


def layout(n: int, observation: spaces.Space, action: spaces.Space, state: Array | None) -> Layout:
    """Return the layout of the shared arrays: observations [N, *O] and actions [N, *A] in their spaces' types, and so on."""
    assert observation.shape is not None and observation.dtype is not None
    assert action.shape is not None and action.dtype is not None
    drawn = {} if state is None else {"state": ((n, *state.shape), state.dtype)}
    return {
        "obs": ((n, *observation.shape), observation.dtype),
        "action": ((n, *action.shape), action.dtype),
        "reward": ((n,), np.float32),
        "done": ((n,), np.bool_),
        **drawn,
    }


class Group:
    """Environments of some rows of the shared arrays. Writes observations, rewards and dones there; returns infos."""

    def __init__(self, singles: Mapping[int, Single], arrays: Mapping[str, Array]) -> None:
        self._singles, self._arrays = singles, arrays
        if len({id(single.env.unwrapped) for single in singles.values()}) < len(singles):
            raise UserError("the environment's constructor returns the same object twice: let it make a new one each time.")

    def __call__(self, order: bytes, argument: Any = None) -> Any:
        """Execute an order; the argument has one entry per row, or names a method of `Single`; STEP has none."""
        match order:
            case b"s":
                return self._step()
            case b"R":
                return {i: self._reset(i, *argument[i]) for i in self._singles}
            case b"L":
                return self._load(argument)
            case _:
                name, arguments = argument
                return {i: getattr(self._singles[i], name)(*arguments[i]) for i in self._singles if i in arguments}

    def close(self) -> None:
        """Close the environments."""
        for single in self._singles.values():
            single.close()

    def _step(self) -> dict[int, tuple[dict[str, Any], dict[str, Any] | None]] | None:
        """Step all environments; return the rows' infos that are not empty, with the reset info of the next episode."""
        arrays, infos = self._arrays, {}
        for i, single in self._singles.items():
            step = single.step(arrays["action"][i].copy())  # a copy: the environment may keep it
            arrays["reward"][i], arrays["done"][i] = step.reward, step.done
            self._show(i, step.observation)
            if step.info or step.done:
                infos[i] = step.info, step.reset_info
        return infos or None

    def _reset(self, i: int, seed: int | None, options: dict[str, Any]) -> dict[str, Any]:
        observation, info = self._singles[i].reset(seed, options)
        self._show(i, observation)
        return info

    def _load(self, saved: Mapping[int, bytes]) -> None:
        """Restore saved environments; the caller restores the observations."""
        for i, single in self._singles.items():
            single.load(saved[i])
            self._show(i, self._arrays["obs"][i])

    def _show(self, i: int, observation: Any) -> None:
        self._arrays["obs"][i] = observation
        if "state" in self._arrays:
            self._arrays["state"][i] = self._singles[i].state()


def singles(factories: Mapping[int, Factory], film_size: int, clone: bool) -> dict[int, Single]:
    """Create a `Single` for each environment."""
    return {i: Single(build, film_size, clone) for i, build in factories.items()}


def in_process(factories: Mapping[int, Factory], fd: int, fields: Layout, film_size: int, clone: bool) -> Group:
    """Create the group of a worker process, with the shared memory of `fd`."""
    return Group(singles(factories, film_size, clone), mapped(fd, fields))


def shares(factories: Sequence[Factory], count: int) -> list[dict[int, Factory]]:
    """Divide the environments among `count` workers: worker k steps k, k + count, ..."""
    numbered = dict(enumerate(factories))
    return [{i: numbered[i] for i in range(k, len(factories), count)} for k in range(count)]
