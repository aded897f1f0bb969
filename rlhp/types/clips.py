"""Segments of behaviour: each is stored once, and compressed if its observations are images."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rlhp.types.basics import Array

LARGE = 4096  # bytes from which a uint8 array is compressed: a screen or an emulator's state, not a few sensors


@dataclass(frozen=True, slots=True)
class Deflated:
    """A compressed uint8 array; a segment of a game shrinks to a twentieth of its size."""

    data: bytes
    shape: tuple[int, ...]

    def array(self) -> Array:
        """Decompress to a read-only array."""
        return np.frombuffer(zlib.decompress(self.data), np.uint8).reshape(self.shape)


@dataclass(frozen=True, slots=True)
class Film:
    """L frames of one size, compressed without loss: each by itself or as the difference from the previous one.

    The smaller of the two is kept. `data` starts with L int32: the size of each frame in bytes, negative for a difference.
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
KINDS: dict[str, type[Deflated] | type[Film]] = {"data": Deflated, "film": Film}  # by their names in snapshots


def deflated(array: Array) -> Deflated:
    """Compress a uint8 array."""
    return Deflated(zlib.compress(np.ascontiguousarray(array).data, 1), array.shape)


def film(frames: Sequence[Deflated]) -> Film:
    """Combine consecutive frames into a film. Raises ValueError if there are none, or if they differ in size."""
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError(f"a film needs frames of one size, not of {sorted({frame.shape for frame in frames})}")
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
    """Compress a large uint8 array; return anything else unchanged."""
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.nbytes < LARGE:
        return array
    return deflated(array)


def unpacked(array: Packed) -> Array:
    """Decompress if necessary: the inverse of `packed`."""
    return array if isinstance(array, np.ndarray) else array.array()


def pack_arrays(name: str, arrays: Sequence[Packed]) -> dict[str, Array]:
    """Convert arrays of one shape and kind to entries of a snapshot; compressed ones stay compressed. Empty for no arrays."""
    for kind, made in KINDS.items():
        small = [array for array in arrays if isinstance(array, made)]
        if small:
            data, ends = np.frombuffer(b"".join(array.data for array in small), np.uint8), np.cumsum([len(a.data) for a in small])
            return {f"{name}/{kind}": data, f"{name}/ends": ends, f"{name}/shape": np.array(small[0].shape)}
    return {name: np.stack([unpacked(array) for array in arrays])} if arrays else {}


def unpack_arrays(name: str, state: dict[str, Array]) -> list[Packed]:
    """The inverse of `pack_arrays`; an empty list if the snapshot has no such entries."""
    if name in state:
        return [row.copy() for row in state[name]]
    for kind, made in KINDS.items():
        if f"{name}/{kind}" in state:
            shape = tuple(state[f"{name}/shape"].tolist())
            return [made(part.tobytes(), shape) for part in np.split(state[f"{name}/{kind}"], state[f"{name}/ends"][:-1])]
    return []


class Segment:
    """L consecutive steps of one environment, never across a reset.

    The arrays are copies: a view would keep its whole rollout in memory.
    """

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
        """[H + L, *O]: H earlier observations, then the observation before each action."""
        return unpacked(self.packed_obs)

    @property
    def state(self) -> Array | None:
        """What the segment is rendered from: [L, S], or [1, S] if the first state and the actions determine the others.

        For an environment that keeps frames it is [L, H, W, 3] uint8, the frame before each action. None: not recorded.
        """
        return None if self.packed_state is None else unpacked(self.packed_state)


@dataclass(frozen=True, slots=True)
class Steps:
    """n segments of L steps each, stacked."""

    obs: Array  # [n, H + L, *O]  raw
    act: Array  # [n, L, *A]
    true_reward: Array  # [n, L]  only for evaluation and the `target` ablation

    def __len__(self) -> int:
        return len(self.obs)

    def __getitem__(self, rows: Any) -> Steps:
        return Steps(self.obs[rows], self.act[rows], self.true_reward[rows])


def stack(segments: Sequence[Segment]) -> Steps:
    """Stack segments of one length. Raises ValueError if there are none."""
    return Steps(
        np.stack([s.obs for s in segments]), np.stack([s.act for s in segments]), np.stack([s.true_reward for s in segments])
    )


@dataclass(frozen=True, slots=True)
class Clips:
    """C segments of L steps each, decompressed on access."""

    obs: Array | tuple[Deflated, ...]  # [C, H + L, *O], or one compressed array per segment
    act: Array  # [C, L, *A]
    true_reward: Array  # [C, L]

    def __len__(self) -> int:
        return len(self.true_reward)

    def __getitem__(self, rows: Any) -> Steps:
        """The segments of these rows (a slice or n indices), stacked."""
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
        """Single steps as n segments of one step each: step `times[i]` of segment `rows[i]`."""
        obs, first = self.obs, rows
        if isinstance(obs, tuple):
            some, first = np.unique(rows, return_inverse=True)
            obs = self._obs(some)
        span: Array = np.arange(int(obs.shape[1]) - int(self.true_reward.shape[1]) + 1)
        seen = obs[first[:, np.newaxis], times[:, np.newaxis] + span]
        return Steps(seen, self.act[rows, times][:, np.newaxis], self.true_reward[rows, times][:, np.newaxis])

    def after(self, first: int) -> Clips:
        """The segments from index `first` on, still compressed."""
        return Clips(self.obs[first:], self.act[first:], self.true_reward[first:])

    def joined(self, more: Clips) -> Clips:
        """Append other segments of the same shape."""
        act, true_reward = (np.concatenate(pair) for pair in ((self.act, more.act), (self.true_reward, more.true_reward)))
        if isinstance(self.obs, tuple) or isinstance(more.obs, tuple):
            return Clips((*self.obs, *more.obs), act, true_reward)
        return Clips(np.concatenate([self.obs, more.obs]), act, true_reward)
