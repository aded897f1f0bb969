"""The records that pass between the parts.

Shapes: T steps, N environments, L steps of a clip, K clips of a question, M members of an ensemble, n comparisons,
*O an observation, *A an action, S a simulator state. Every time is counted in environment steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Metrics = dict[str, float]


class UserError(ValueError):
    """What the user asked for cannot be done: one sentence that says what to do instead (exit status 2)."""


def escaped(text: str, keep: str = "") -> str:
    r"""The text as a terminal can show it: characters that would steer it are written as \x1b; those in `keep` stay."""
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def stream(seed: int, part: str, *key: int) -> np.random.Generator:
    """The random stream of one part at one moment (`key`: a step, a question's id, ...).

    A pure function of its arguments: a part added later does not shift the others, and a resumed run needs no saved state.
    """
    return np.random.default_rng((seed, crc32(part.encode()), *key))


@dataclass(frozen=True, slots=True)
class Rollout:
    """What N environments did in T steps."""

    obs: Array  # [T, N, *O]  raw, before the action, float32
    act: Array  # [T, N, *A]  as executed (clipped), float32
    true_reward: Array  # [T, N]  for the teacher and for metrics; the agent never sees it
    cut: Array  # [T, N]  bool: a real reset follows this step (also where the agent is not told)
    state: Array | None  # [T, N, S]  simulator state before the action, where clips are re-rendered from it
    returns: Array  # [episodes]  true returns of the episodes that ended in this rollout
    arrival: Array | None = None  # [T, N, *O]  raw, after the action: where an episode ends, its last; None: not recorded
    unstable: int = 0  # episodes that were cut because the simulation blew up; they have no return

    def metrics(self) -> Metrics:
        """Mean true return of the ended episodes (absent where none ended), mean true reward per step; `unstable` if any was."""
        ended = {"true_return": float(self.returns.mean())} if len(self.returns) else {}
        ended |= {"unstable": float(self.unstable)} if self.unstable else {}
        return {**ended, "episodes": float(len(self.returns)), "true_reward": float(self.true_reward.mean())}

    def between_resets(self) -> float:
        """Median number of steps from a reset, or the rollout's start, to the next or the rollout's end."""
        ends = [np.flatnonzero([*cut[:-1], True]) + 1 for cut in self.cut.T]
        return float(np.median(np.concatenate([np.diff(end, prepend=0) for end in ends])))

    def against(self, predicted: Array) -> Metrics:
        """How a predicted reward [T, N] compares: its mean, spread and Pearson correlation with the true reward, step by step."""
        mean, std = float(predicted.mean()), float(predicted.std())
        spread = std * float(self.true_reward.std())
        covariance = float(((predicted - mean) * (self.true_reward - self.true_reward.mean())).mean())
        correlation = {"reward_corr": covariance / spread} if spread > 0 else {}
        return {"reward_mean": mean, "reward_std": std, **correlation}


@dataclass(frozen=True, slots=True)
class Steps:
    """n clips of L steps each, stacked."""

    obs: Array  # [n, L, *O]  float32
    act: Array  # [n, L, *A]  float32
    true_reward: Array  # [n, L]  for measuring, and for the `target` ablation alone

    def __len__(self) -> int:
        return len(self.obs)

    def __getitem__(self, rows: Any) -> Steps:
        return Steps(self.obs[rows], self.act[rows], self.true_reward[rows])


@dataclass(frozen=True, slots=True)
class Segment:
    """One clip: L consecutive steps, never across a cut; copies, so that no rollout is kept alive by a view."""

    obs: Array  # [L, *O]
    act: Array  # [L, *A]
    true_reward: Array  # [L]
    state: Array | None  # [L, S]


def stack(segments: Sequence[Segment]) -> Steps:
    """Segments of one length, stacked. Raises ValueError if there are none."""
    return Steps(
        np.stack([s.obs for s in segments]), np.stack([s.act for s in segments]), np.stack([s.true_reward for s in segments])
    )


@dataclass(frozen=True, slots=True)
class Query:
    """A question: K >= 2 clips to be put in order."""

    id: int
    clips: tuple[Segment, ...]
    asked_step: int


@dataclass(frozen=True, slots=True)
class Answer:
    """A weak ordering: one rank per clip, lower is better, equal ranks are ties; None: cannot tell.

    K = 2: (0, 1) the left is better, (1, 0) the right, (0, 0) equal.
    """

    ranks: tuple[int, ...] | None

    def pairs(self) -> list[tuple[int, int, float]]:
        """All K(K-1)/2 pairs (i, j, mu) with mu = P[i is better]: 1, 0 or 1/2; none when the teacher could not tell.

        A ranking of K clips counts once, so each of its pairs weighs 1 / C(K, 2) (InstructGPT, section 3.5).
        """
        if self.ranks is None:
            return []
        return [(i, j, float((a < b) + 0.5 * (a == b))) for (i, a), (j, b) in combinations(enumerate(self.ranks), 2)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question of an earlier run, and the answers to it that the run used; none where nobody had answered in time."""

    clips: tuple[str, ...]  # digests of the clips' content
    answers: tuple[tuple[int, Answer], ...]  # each with the step of its first use, in the order of use


@dataclass(frozen=True, slots=True)
class Comparisons:
    """D in the paper (section 2.2.3): every ordered answer taken apart into its pairs, stacked."""

    left: Steps
    right: Steps
    mu: Array  # [n]  P[left is better]: 1, 0 or 1/2
    weight: Array  # [n]  1 / C(K, 2)
    query: Array  # [n]  id of the question a pair belongs to; an ensemble's bootstrap weights hang on it

    def __len__(self) -> int:
        return len(self.mu)
