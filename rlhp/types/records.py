"""The records that components exchange.

Shapes: T steps, N environments, H earlier observations (of a stack), L steps of a segment, K segments of a query, C segments of
a data set, M members of an ensemble, n comparisons, *O an observation, *A an action, S a simulator state. All times are in
environment steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from typing import Protocol

import numpy as np

from rlhp.types.basics import Array, Metrics
from rlhp.types.clips import Clips, Packed, Segment
from rlhp.types.frames import stacked
from rlhp.types.pictures import Frames

EMPTY = -1  # padding in a row of `Comparisons` with fewer than K segments


class Policy(Protocol):
    """A policy as it was at one moment; it can be pickled."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Choose actions of the environment's action space [n, *A] for raw, possibly stacked observations [n, *seen]."""
        ...

    def log_prob(self, obs: Array, act: Array) -> Array:
        """The log probability, or density, [n] of actions [n, *A]."""
        ...


@dataclass(frozen=True, slots=True)
class Rollout:
    """What N environments did in T steps."""

    obs: Array  # [H + T, N, *O]  raw: H earlier ones if networks see a stack, then the observation before each action
    act: Array  # [T, N, *A]  as executed (clipped), float32
    true_reward: Array  # [T, N]  for the teacher and for metrics; the agent never sees it
    cut: Array  # [T, N]  bool: a real reset follows this step, even one that is hidden from the agent
    state: Array | Frames | None  # [T, N, S]  simulator states before each action, which clips are rendered from, or frames
    returns: Array  # [episodes]  true returns, or scores, of the episodes that ended in this rollout
    last: Array | None = None  # [N, *O]  raw, after the last action; None: not recorded
    ends: tuple[tuple[int, int, Array], ...] = ()  # step, environment and last observation of each episode that ended
    unstable: int = 0  # episodes that were cut because the simulation became unstable; they have no return
    replays: bool = False  # whether a segment's first state and its actions determine its other states
    log_prob: Array | None = None  # [T, N]  of the actions, under the policy that took them; None: not recorded

    @property
    def sources(self) -> int:
        """The number of environments, counted from the first, that segments are cut from: those with frames, else all."""
        return self.state.envs if isinstance(self.state, Frames) and self.state.envs else self.cut.shape[1]

    def seen(self) -> Array:
        """The network's input before each action, [T, N, *O]; if networks see a stack, [T, N, H + 1, *O], oldest first."""
        return stacked(self.obs, len(self.act))

    def seen_after(self) -> Array:
        """The network's input after each action, with the last observation of an episode that ends; `seen` if not recorded."""
        if self.last is None:
            return self.seen()
        seen = stacked(np.concatenate([self.obs[1:], self.last[np.newaxis]]), len(self.act))
        if len(self.obs) > len(self.act) and self.ends:
            seen = seen.copy()  # steps share their observations
        for step, env, obs in self.ends:
            newest = (step, env, -1) if len(self.obs) > len(self.act) else (step, env)
            seen[newest] = obs
        return seen

    def joined(self, more: Rollout) -> Rollout:
        """Append the following steps, so that segments can be cut across both rollouts."""
        history = len(more.obs) - len(more.act)
        state = _joined(self.state, more.state)
        act, true_reward, cut = (np.concatenate([getattr(self, k), getattr(more, k)]) for k in ("act", "true_reward", "cut"))
        return Rollout(
            np.concatenate([self.obs, more.obs[history:]]), act, true_reward, cut, state, np.zeros(0), replays=self.replays
        )

    def clip(self, step: int, env: int, length: int) -> Segment:
        """Copy `length` steps of one environment, from `step` on."""
        rows = slice(step, step + length)
        obs = self.obs[step : step + length + len(self.obs) - len(self.act), env]
        return Segment(obs.copy(), self.act[rows, env].copy(), self.true_reward[rows, env].copy(), self._state(rows, env))

    def _state(self, rows: slice, env: int) -> Packed | None:
        """What a clip of these steps is rendered from; None if that environment has no frames."""
        if isinstance(self.state, Frames):
            return self.state.film(rows, env) if env < self.state.envs else None
        states = slice(rows.start, rows.start + 1) if self.replays else rows
        return None if self.state is None else self.state[states, env].copy()

    def metrics(self) -> Metrics:
        """Mean true return of the ended episodes (absent if none ended), mean true reward per step; `unstable` if not 0."""
        ended = {"true_return": float(self.returns.mean())} if len(self.returns) else {}
        ended |= {"unstable": float(self.unstable)} if self.unstable else {}
        return {**ended, "episodes": float(len(self.returns)), "true_reward": float(self.true_reward.mean())}

    def between_resets(self) -> float:
        """Median number of steps between resets; the start and the end of the rollout count as resets."""
        ends = [np.flatnonzero([*cut[:-1], True]) + 1 for cut in self.cut.T]
        return float(np.median(np.concatenate([np.diff(end, prepend=0) for end in ends])))

    def reward_metrics(self, predicted: Array) -> Metrics:
        """Mean and standard deviation of a predicted reward [T, N], and its Pearson correlation with the true reward per step."""
        mean, std = float(predicted.mean()), float(predicted.std())
        spread = std * float(self.true_reward.std())
        covariance = float(((predicted - mean) * (self.true_reward - self.true_reward.mean())).mean())
        correlation = {"reward_corr": covariance / spread} if spread > 0 else {}
        return {"reward_mean": mean, "reward_std": std, **correlation}


def _joined(state: Array | Frames | None, more: Array | Frames | None) -> Array | Frames | None:
    """Concatenate the states of two rollouts; None if one has none or they differ in kind."""
    if isinstance(state, Frames) and isinstance(more, Frames):
        return state.joined(more)
    if isinstance(state, np.ndarray) and isinstance(more, np.ndarray):
        return np.concatenate([state, more])
    return None


@dataclass(frozen=True, slots=True)
class Transitions:
    """n steps without their true reward, so that nothing learns from it."""

    obs: Array  # [n, *seen]  network inputs before each action
    act: Array  # [n, *A]  as executed
    next_obs: Array  # [n, *seen]  network inputs after it

    def __len__(self) -> int:
        return len(self.act)

    def __getitem__(self, rows: Array) -> Transitions:
        return Transitions(self.obs[rows], self.act[rows], self.next_obs[rows])

    def joined(self, more: Transitions) -> Transitions:
        """Append other steps."""
        obs, act, after = (np.concatenate([getattr(self, k), getattr(more, k)]) for k in ("obs", "act", "next_obs"))
        return Transitions(obs, act, after)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The steps of the newest rollout, n = T N of them, and the policy that made them."""

    steps: Transitions
    log_prob: Array  # [n]  of the actions
    policy: Policy


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode of an expert, T steps from a reset on."""

    obs: Array  # [T + 1, *O]  raw: before each action, and after the last
    act: Array  # [T, *A]  as executed
    true_reward: Array  # [T]  only for evaluation
    terminated: bool = False  # whether the task ended it; False: truncated by a time limit


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Episodes of one task; `stack` is the number of observations that a network sees together."""

    episodes: tuple[Episode, ...]
    stack: int = 1

    def transitions(self) -> Transitions:
        """All steps, episode by episode."""
        seen = [self._seen(episode.obs) for episode in self.episodes]
        before, after = (np.concatenate([s[rows] for s in seen]) for rows in (slice(-1), slice(1, None)))
        return Transitions(before, np.concatenate([episode.act for episode in self.episodes]), after)

    def _seen(self, obs: Array) -> Array:
        """The network's input at each of n observations of an episode, [n, *seen]; the first one is repeated as its history."""
        return stacked(np.concatenate([np.repeat(obs[:1], self.stack - 1, axis=0), obs]), len(obs), lead=1)

    def returns(self) -> Array:
        """True returns [episodes]."""
        return np.array([episode.true_reward.sum() for episode in self.episodes])


@dataclass(frozen=True, slots=True)
class Query:
    """A query about K segments: to put them in order, or to rate a single one."""

    id: int
    clips: tuple[Segment, ...]
    asked_step: int
    kind: str = "comparison"  # one of `rlhp.feedback.KINDS`


@dataclass(frozen=True, slots=True)
class Answer:
    """A weak ordering of K segments, or a rating of one; with neither, the answer is 'cannot tell'. Raises ValueError for both.

    `ranks`: one per segment, lower is better, equal ranks are ties. For K = 2, (0, 1) prefers the left, (1, 0) the right, and
    (0, 0) means equal; in a graded comparison (0, 2) means that the left is much better. `rating`: from 0 to 1, higher is
    better; for the query kind `good_bad`, 1 is good and 0 is bad. `by`: the annotator, if a teacher returns answers of several.
    """

    ranks: tuple[int, ...] | None
    rating: float | None = None
    by: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.ranks is not None and self.rating is not None:
            raise ValueError("an answer ranks several clips or rates one, not both")

    @property
    def unsure(self) -> bool:
        """Whether the answer is 'cannot tell'."""
        return self.ranks is None and self.rating is None

    def reversed(self) -> Answer:
        """The same answer for the segments in reverse order."""
        return replace(self, ranks=None if self.ranks is None else self.ranks[::-1])

    def pairs(self) -> list[tuple[int, int, float]]:
        """All K(K-1)/2 pairs (i, j, mu) with mu = P[i is better]: 1, 0 or 1/2; none for a rating and for 'cannot tell'.

        A ranking of K segments counts once, so each of its pairs weighs 1 / C(K, 2) (Ouyang et al. 2022, section 3.5).
        """
        if self.ranks is None:
            return []
        return [(i, j, float((a < b) + 0.5 * (a == b))) for (i, a), (j, b) in combinations(enumerate(self.ranks), 2)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A query of an earlier run and the answers that the run used; no answers if none came in time."""

    clips: tuple[str, ...]  # digests of the segments' content
    answers: tuple[tuple[int, Answer], ...]  # each with the step of its first use, in the order of use


def _default_column() -> Array:
    """A placeholder for a column of `Comparisons`, which is filled with its default."""
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """The data set D of the paper (section 2.2.3): all answers that rank or rate segments. A ranking of K segments is one row.

    Queries may differ in their number of segments: K is the largest, and shorter rows are padded with EMPTY. A rating is a row
    with a single segment, compared with what its annotator considers average.
    """

    clips: Clips  # each segment once, even if several queries show it
    shown: Array  # [n, K]  indices of the query's segments; EMPTY beyond the last
    ranks: Array  # [n, K]  lower is better, equal ranks are ties; 0 for a rated segment; EMPTY beyond the last
    query: Array  # [n]  id of the query, which determines an ensemble's bootstrap weights
    always_kept: Array  # [n]  bool: used at any age, even if only the newest answers are used otherwise
    rating: Array = field(default_factory=_default_column)  # [n]  from 0 to 1; NaN, the default, for ranked segments
    annotator: Array = field(default_factory=_default_column)  # [n]  an integer for each annotator; 0 by default
    flagged: Array = field(default_factory=_default_column)  # [n]  bool: retracted by its annotator, not used; False by default

    def __post_init__(self) -> None:
        for name, default in (("rating", np.nan), ("annotator", 0), ("flagged", False)):
            if len(getattr(self, name)) != len(self) or len(self) == 0:
                object.__setattr__(self, name, np.full(len(self), default))

    def __len__(self) -> int:
        return len(self.query)

    def decided(self) -> Array:
        """Whether each answer states a preference, or a rating other than 0.5, and is not flagged: [n] bool."""
        ranked = ((self.ranks != self.ranks[:, :1]) & (self.shown != EMPTY)).any(axis=1)
        rated = ~np.isnan(self.rating) & (self.rating != 0.5)
        return (ranked | rated) & ~self.flagged

    def rows(self, rows: Array | slice) -> Comparisons:
        """Select answers; all segments are kept, even those that none of them shows."""
        return Comparisons(self.clips, *(getattr(self, name)[rows] for name in _COLUMNS))

    def after(self, clips: int, rows: int) -> Comparisons:
        """Drop the first `clips` segments and the first `rows` rows; indices in `shown` still count from the first segment."""
        return replace(self.rows(slice(rows, None)), clips=self.clips.after(clips))

    def joined(self, more: Comparisons) -> Comparisons:
        """Append what `after` returned. Returns itself if that is empty, so that a model can see that nothing is new."""
        if len(more) == 0:
            return self
        width = max(self.shown.shape[1], more.shown.shape[1])
        one, two = ({name: getattr(part, name) for name in _COLUMNS} for part in (self, more))
        for part in (one, two):
            part |= {name: widened(part[name], width) for name in ("shown", "ranks")}
        return Comparisons(self.clips.joined(more.clips), *(np.concatenate([one[name], two[name]]) for name in _COLUMNS))

    def marked(self, flagged: Array) -> Comparisons:
        """Set `flagged` [n] bool; returns itself if nothing changes."""
        return self if np.array_equal(flagged, self.flagged) else replace(self, flagged=flagged)


_COLUMNS = tuple(each.name for each in fields(Comparisons) if each.name != "clips")


def widened(rows: Array, width: int) -> Array:
    """Pad rows [n, K] with EMPTY columns to [n, `width`], K <= `width`."""
    missing = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing)), constant_values=EMPTY) if missing else rows


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a reward model is fitted to."""

    comparisons: Comparisons
    behaviour: Behaviour | None = None  # None: the reward model does not use it
    demonstrations: Transitions | None = None  # None: there are none
