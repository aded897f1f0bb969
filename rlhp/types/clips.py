"""Clips of behaviour, each held once, and in little memory where its observations are images."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlhp.types.basics import Array

LARGE = 4096  # bytes from which an array of bytes is deflated: a screen or an emulator's state, not a row of sensors


@dataclass(frozen=True, slots=True)
class Deflated:
    """An array of bytes in less space: a clip of a game takes a twentieth."""

    data: bytes
    shape: tuple[int, ...]

    def array(self) -> Array:
        """The array itself; it cannot be written to."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Film:
    """L frames of one size, exact: each deflated as it is, or as its difference from the one before, whichever is smaller.

    `data` begins with L whole numbers of 4 bytes: how many bytes each frame takes, negative for a difference.
    """

    data: bytes
    shape: tuple[int, ...]  # L, H, W, 3

    def array(self) -> Array:
        """[L, H, W, 3] uint8."""
        pictures = np.empty(self.shape, np.uint8)
        sizes = np.frombuffer(self.data, "<i4", self.shape[0])
        ends = sizes.nbytes + np.cumsum(np.abs(sizes))
        for i, (size, end) in enumerate(zip(sizes.tolist(), ends.tolist(), strict=True)):
            pictures[i] = Deflated(self.data[end - abs(size) : end], self.shape[1:]).array()
            if size < 0:
                pictures[i] += pictures[i - 1]
        return pictures


Packed = Array | Deflated | Film
KINDS: dict[str, type[Deflated] | type[Film]] = {"data": Deflated, "film": Film}  # as snapshots call them


def deflated(array: Array) -> Deflated:
    """An array of bytes in less space."""
    return Deflated(zlib.compress(np.ascontiguousarray(array).data, 1), array.shape)


def film(frames: Sequence[Deflated]) -> Film:
    """The film of consecutive frames. Raises ValueError if there are none, or if they differ in size."""
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError(f"a film is of frames of one size, not of {sorted({frame.shape for frame in frames})}")
    parts, sizes, before = list[bytes](), list[int](), None
    for frame in frames:
        picture = frame.array()
        change = None if before is None else deflated(picture - before).data
        smaller = change is not None and len(change) < len(frame.data)
        parts.append(change if change is not None and smaller else frame.data)
        sizes.append(-len(parts[-1]) if smaller else len(parts[-1]))
        before = picture
    return Film(np.array(sizes, "<i4").tobytes() + b"".join(parts), (len(frames), *frames[0].shape))


def packed(array: Packed) -> Packed:
    """Deflated if it is a large array of bytes, else as it is."""
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.nbytes < LARGE:
        return array
    return deflated(array)


def unpacked(array: Packed) -> Array:
    """The array that `packed` was given."""
    return array if isinstance(array, np.ndarray) else array.array()


def pack_arrays(name: str, arrays: Sequence[Packed]) -> dict[str, Array]:
    """Arrays of one shape and kind as entries of a snapshot, compressed ones as they are; nothing for none."""
    for kind, made in KINDS.items():
        small = [array for array in arrays if isinstance(array, made)]
        if small:
            data, ends = np.frombuffer(b"".join(array.data for array in small), np.uint8), np.cumsum([len(a.data) for a in small])
            return {f"{name}/{kind}": data, f"{name}/ends": ends, f"{name}/shape": np.array(small[0].shape)}
    return {name: np.stack([unpacked(array) for array in arrays])} if arrays else {}


def unpack_arrays(name: str, state: dict[str, Array]) -> list[Packed]:
    """What `pack_arrays` was given; an empty list for nothing."""
    if name in state:
        return [row.copy() for row in state[name]]
    for kind, made in KINDS.items():
        if f"{name}/{kind}" in state:
            shape = tuple(state[f"{name}/shape"].tolist())
            return [made(part.tobytes(), shape) for part in np.split(state[f"{name}/{kind}"], state[f"{name}/ends"][:-1])]
    return []


class Segment:
    """One clip: L consecutive steps, never across a cut; copies, so that no rollout is kept alive by a view."""

    __slots__ = ("act", "packed_obs", "packed_state", "true_reward")

    def __init__(self, obs: Packed, act: Array, true_reward: Array, state: Packed | None) -> None:
        self.packed_obs = packed(obs)
        self.act = act  # [L, *A]
        self.true_reward = true_reward  # [L]
        self.packed_state = None if state is None else packed(state)

    def __len__(self) -> int:
        return len(self.true_reward)

    @property
    def obs(self) -> Array:
        """[H + L, *O]: H earlier observations, then that before each action."""
        return unpacked(self.packed_obs)

    @property
    def state(self) -> Array | None:
        """[L, S], or [1, S] where the first state and the actions give the others; None where there is none.

        Of an environment that keeps frames, [L, H, W, 3] uint8: what it looked like before each action.
        """
        return None if self.packed_state is None else unpacked(self.packed_state)


@dataclass(frozen=True, slots=True)
class Steps:
    """n clips of L steps each, stacked."""

    obs: Array  # [n, H + L, *O]  as the environment gives them
    act: Array  # [n, L, *A]
    true_reward: Array  # [n, L]  for measuring, and for the `target` ablation alone

    def __len__(self) -> int:
        return len(self.obs)

    def __getitem__(self, rows: Any) -> Steps:
        return Steps(self.obs[rows], self.act[rows], self.true_reward[rows])


def stack(segments: Sequence[Segment]) -> Steps:
    """Segments of one length, stacked. Raises ValueError if there are none."""
    return Steps(
        np.stack([s.obs for s in segments]), np.stack([s.act for s in segments]), np.stack([s.true_reward for s in segments])
    )


@dataclass(frozen=True, slots=True)
class Clips:
    """C clips of L steps each, of which those are inflated that are read."""

    obs: Array | tuple[Deflated, ...]  # [C, H + L, *O], or one by one
    act: Array  # [C, L, *A]
    true_reward: Array  # [C, L]

    def __len__(self) -> int:
        return len(self.true_reward)

    def __getitem__(self, rows: Any) -> Steps:
        """The clips of these rows (a slice or an array of n whole numbers), stacked."""
        return Steps(self._obs(rows), self.act[rows], self.true_reward[rows])

    def _obs(self, rows: Any) -> Array:
        if not isinstance(self.obs, tuple):
            return self.obs[rows]
        chosen: list[int] = np.arange(len(self))[rows].tolist()
        shape = self.obs[0].shape if self.obs else (0, 0, 0)
        inflated = np.empty((len(chosen), *shape), np.uint8)
        for i, row in enumerate(chosen):
            inflated[i] = self.obs[row].array()
        return inflated

    def at(self, rows: Array, times: Array) -> Steps:
        """Single steps, as n clips of one step each: the `times` [n] of the clips `rows` [n]."""
        obs, first = self.obs, rows
        if isinstance(obs, tuple):
            some, first = np.unique(rows, return_inverse=True)
            obs = self._obs(some)
        span: Array = np.arange(int(obs.shape[1]) - int(self.true_reward.shape[1]) + 1)
        seen = obs[first[:, np.newaxis], times[:, np.newaxis] + span]
        return Steps(seen, self.act[rows, times][:, np.newaxis], self.true_reward[rows, times][:, np.newaxis])

    def after(self, first: int) -> Clips:
        """Those from the first on, still packed."""
        return Clips(self.obs[first:], self.act[first:], self.true_reward[first:])

    def joined(self, more: Clips) -> Clips:
        """These, and then others of the same shape."""
        act, true_reward = (np.concatenate(pair) for pair in ((self.act, more.act), (self.true_reward, more.true_reward)))
        if isinstance(self.obs, tuple) or isinstance(more.obs, tuple):
            return Clips((*self.obs, *more.obs), act, true_reward)
        return Clips(np.concatenate([self.obs, more.obs]), act, true_reward)
