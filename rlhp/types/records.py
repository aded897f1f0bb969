"""The records that pass between the parts.

Shapes: T steps, N environments, H earlier observations (of a stack), L steps of a clip, K clips of a question, C clips of a
data set, M members of an ensemble, n comparisons, *O an observation, *A an action, S a simulator state. Every time is counted in
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

EMPTY = -1  # in a row of `Comparisons`: there is no such clip


class Policy(Protocol):
    """What acts, as it was at one moment; it can be pickled."""

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Raw observations as networks see them [n, *seen] -> actions as the environment takes them [n, *A]."""
        ...

    def log_prob(self, obs: Array, act: Array) -> Array:
        """The log probability, or density, [n] of actions [n, *A]."""
        ...


@dataclass(frozen=True, slots=True)
class Rollout:
    """What N environments did in T steps."""

    obs: Array  # [H + T, N, *O]  raw: H earlier ones where networks see a stack of them, then that before each action
    act: Array  # [T, N, *A]  as executed (clipped), float32
    true_reward: Array  # [T, N]  for the teacher and for metrics; the agent never sees it
    cut: Array  # [T, N]  bool: a real reset follows this step (also where the agent is not told)
    state: Array | Frames | None  # [T, N, S]  simulator state before the action, where clips are re-rendered from it; else frames
    returns: Array  # [episodes]  true returns, or scores, of the episodes that ended in this rollout
    last: Array | None = None  # [N, *O]  raw, after the last action; None: not recorded
    ends: tuple[tuple[int, int, Array], ...] = ()  # step, environment and last observation of each episode that ended
    unstable: int = 0  # episodes that were cut because the simulation blew up; they have no return
    replays: bool = False  # whether a clip's first state and its actions give its other states
    log_prob: Array | None = None  # [T, N]  of the actions, under the policy that took them; None: not recorded

    @property
    def sources(self) -> int:
        """How many environments, the first so many, clips are cut from: those that there are frames of, else all."""
        return self.state.envs if isinstance(self.state, Frames) and self.state.envs else self.cut.shape[1]

    def seen(self) -> Array:
        """[T, N, *O] what networks see before each action: [T, N, H + 1, *O] where they see a stack, oldest first."""
        return stacked(self.obs, len(self.act))

    def seen_after(self) -> Array:
        """The same after each action: where an episode ends for the agent, with its last observation; `seen` if not recorded."""
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
        """These steps and the following ones, as clips are cut from."""
        history = len(more.obs) - len(more.act)
        state = _joined(self.state, more.state)
        act, true_reward, cut = (np.concatenate([getattr(self, k), getattr(more, k)]) for k in ("act", "true_reward", "cut"))
        return Rollout(
            np.concatenate([self.obs, more.obs[history:]]), act, true_reward, cut, state, np.zeros(0), replays=self.replays
        )

    def clip(self, step: int, env: int, length: int) -> Segment:
        """The steps of one environment from `step` on, copied."""
        rows = slice(step, step + length)
        obs = self.obs[step : step + length + len(self.obs) - len(self.act), env]
        return Segment(obs.copy(), self.act[rows, env].copy(), self.true_reward[rows, env].copy(), self._state(rows, env))

    def _state(self, rows: slice, env: int) -> Packed | None:
        """What a clip of these steps is drawn from; None where there are no frames of that environment."""
        if isinstance(self.state, Frames):
            return self.state.film(rows, env) if env < self.state.envs else None
        states = slice(rows.start, rows.start + 1) if self.replays else rows
        return None if self.state is None else self.state[states, env].copy()

    def metrics(self) -> Metrics:
        """Mean true return of the ended episodes (absent where none ended), mean true reward per step; `unstable` if any was."""
        ended = {"true_return": float(self.returns.mean())} if len(self.returns) else {}
        ended |= {"unstable": float(self.unstable)} if self.unstable else {}
        return {**ended, "episodes": float(len(self.returns)), "true_reward": float(self.true_reward.mean())}

    def between_resets(self) -> float:
        """Median number of steps from a reset, or the rollout's start, to the next or the rollout's end."""
        ends = [np.flatnonzero([*cut[:-1], True]) + 1 for cut in self.cut.T]
        return float(np.median(np.concatenate([np.diff(end, prepend=0) for end in ends])))

    def reward_metrics(self, predicted: Array) -> Metrics:
        """How a predicted reward [T, N] compares: its mean, spread and Pearson correlation with the true reward, step by step."""
        mean, std = float(predicted.mean()), float(predicted.std())
        spread = std * float(self.true_reward.std())
        covariance = float(((predicted - mean) * (self.true_reward - self.true_reward.mean())).mean())
        correlation = {"reward_corr": covariance / spread} if spread > 0 else {}
        return {"reward_mean": mean, "reward_std": std, **correlation}


def _joined(state: Array | Frames | None, more: Array | Frames | None) -> Array | Frames | None:
    """The states of two rollouts; None where one of them has none, or another kind."""
    if isinstance(state, Frames) and isinstance(more, Frames):
        return state.joined(more)
    if isinstance(state, np.ndarray) and isinstance(more, np.ndarray):
        return np.concatenate([state, more])
    return None


@dataclass(frozen=True, slots=True)
class Transitions:
    """n steps of somebody, without their true reward: nothing that learns from them can see it."""

    obs: Array  # [n, *seen]  what networks see before each action
    act: Array  # [n, *A]  as executed
    next_obs: Array  # [n, *seen]  what they see after it

    def __len__(self) -> int:
        return len(self.act)

    def __getitem__(self, rows: Array) -> Transitions:
        return Transitions(self.obs[rows], self.act[rows], self.next_obs[rows])

    def joined(self, more: Transitions) -> Transitions:
        """These steps, and then others."""
        obs, act, after = (np.concatenate([getattr(self, k), getattr(more, k)]) for k in ("obs", "act", "next_obs"))
        return Transitions(obs, act, after)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the policy did in its newest rollout, n = T N steps, and the policy itself."""

    steps: Transitions
    log_prob: Array  # [n]  of the actions
    policy: Policy


@dataclass(frozen=True, slots=True)
class Episode:
    """What an expert did from a reset on, T steps."""

    obs: Array  # [T + 1, *O]  raw: before each action, and after the last
    act: Array  # [T, *A]  as executed
    true_reward: Array  # [T]  for measuring alone
    terminated: bool = False  # whether the task ended it; else it was cut by time


@dataclass(frozen=True, slots=True)
class Demonstrations:
    """Episodes of one task; `stack` is how many observations a network sees together."""

    episodes: tuple[Episode, ...]
    stack: int = 1

    def transitions(self) -> Transitions:
        """All steps, episode by episode."""
        seen = [self._seen(episode.obs) for episode in self.episodes]
        before, after = (np.concatenate([s[rows] for s in seen]) for rows in (slice(-1), slice(1, None)))
        return Transitions(before, np.concatenate([episode.act for episode in self.episodes]), after)

    def _seen(self, obs: Array) -> Array:
        """What networks see at each of n observations of an episode, [n, *seen]; before the first one it is repeated."""
        return stacked(np.concatenate([np.repeat(obs[:1], self.stack - 1, axis=0), obs]), len(obs), lead=1)

    def returns(self) -> Array:
        """True returns [episodes]."""
        return np.array([episode.true_reward.sum() for episode in self.episodes])


@dataclass(frozen=True, slots=True)
class Query:
    """A question about K clips: to be put in order, or a single one to be rated."""

    id: int
    clips: tuple[Segment, ...]
    asked_step: int
    kind: str = "comparison"  # one of `rlhp.feedback.KINDS`


@dataclass(frozen=True, slots=True)
class Answer:
    """A weak ordering of K clips, or the rating of one; neither: cannot tell. Raises ValueError for both.

    `ranks`: one per clip, lower is better, equal ranks are ties. K = 2: (0, 1) the left is better, (1, 0) the right, (0, 0)
    equal; in a graded comparison (0, 2) says that the left is much better. `rating`: from 0 to 1, higher is better; 1 is good
    and 0 bad where only these are asked for. `by`: whose answer it is, where a teacher speaks for several people.
    """

    ranks: tuple[int, ...] | None
    rating: float | None = None
    by: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.ranks is not None and self.rating is not None:
            raise ValueError("an answer ranks several clips or rates one, not both")

    @property
    def unsure(self) -> bool:
        """Whether the teacher cannot tell."""
        return self.ranks is None and self.rating is None

    def reversed(self) -> Answer:
        """The same answer about the clips in reverse order."""
        return replace(self, ranks=None if self.ranks is None else self.ranks[::-1])

    def pairs(self) -> list[tuple[int, int, float]]:
        """All K(K-1)/2 pairs (i, j, mu) with mu = P[i is better]: 1, 0 or 1/2; none for a rating, and for 'cannot tell'.

        A ranking of K clips counts once, so each of its pairs weighs 1 / C(K, 2) (Ouyang et al. 2022, section 3.5).
        """
        if self.ranks is None:
            return []
        return [(i, j, float((a < b) + 0.5 * (a == b))) for (i, a), (j, b) in combinations(enumerate(self.ranks), 2)]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question of an earlier run, and the answers to it that the run used; none where nobody had answered in time."""

    clips: tuple[str, ...]  # digests of the clips' content
    answers: tuple[tuple[int, Answer], ...]  # each with the step of its first use, in the order of use


def _not_said() -> Array:
    """A column of `Comparisons` of which every row has its default."""
    return np.zeros(0)


@dataclass(frozen=True, slots=True)
class Comparisons:
    """D in the paper (section 2.2.3): every answer that ranks or rates clips. A ranking of K clips is one row.

    Questions may differ in the number of clips: K is the largest, and smaller ones leave columns empty. One that is rated is a
    row of a single clip, which compares it with what its annotator finds middling.
    """

    clips: Clips  # each once, however many questions show it
    shown: Array  # [n, K]  which of the clips a question shows; EMPTY beyond the last
    ranks: Array  # [n, K]  lower is better, equal ranks are ties; 0 for a clip that is rated; EMPTY beyond the last
    query: Array  # [n]  id of the question; an ensemble's bootstrap weights hang on it
    always_kept: Array  # [n]  bool: learned from however old it is, where only the newest are else
    rating: Array = field(default_factory=_not_said)  # [n]  from 0 to 1; NaN, the default, where clips are ranked
    annotator: Array = field(
        default_factory=_not_said
    )  # [n]  whole numbers, the same for answers of the same annotator; 0 by default
    flagged: Array = field(
        default_factory=_not_said
    )  # [n]  bool: its annotator takes it back, so that it is not learned from; False by default

    def __post_init__(self) -> None:
        for name, default in (("rating", np.nan), ("annotator", 0), ("flagged", False)):
            if len(getattr(self, name)) != len(self) or len(self) == 0:
                object.__setattr__(self, name, np.full(len(self), default))

    def __len__(self) -> int:
        return len(self.query)

    def decided(self) -> Array:
        """Whether an answer prefers a clip to another, or to what is middling, and is not taken back: [n] bool."""
        ranked = ((self.ranks != self.ranks[:, :1]) & (self.shown != EMPTY)).any(axis=1)
        rated = ~np.isnan(self.rating) & (self.rating != 0.5)
        return (ranked | rated) & ~self.flagged

    def rows(self, rows: Array | slice) -> Comparisons:
        """Some of the answers; the clips stay, also those that none of them shows."""
        return Comparisons(self.clips, *(getattr(self, name)[rows] for name in _COLUMNS))

    def after(self, clips: int, rows: int) -> Comparisons:
        """The clips and the rows after the first so many; `shown` goes on counting from the first clip of all."""
        return replace(self.rows(slice(rows, None)), clips=self.clips.after(clips))

    def joined(self, more: Comparisons) -> Comparisons:
        """These, and those that `after` gave; itself if there are none, by which a model knows that nothing is new."""
        if len(more) == 0:
            return self
        width = max(self.shown.shape[1], more.shown.shape[1])
        one, two = ({name: getattr(part, name) for name in _COLUMNS} for part in (self, more))
        for part in (one, two):
            part |= {name: widened(part[name], width) for name in ("shown", "ranks")}
        return Comparisons(self.clips.joined(more.clips), *(np.concatenate([one[name], two[name]]) for name in _COLUMNS))

    def marked(self, flagged: Array) -> Comparisons:
        """The same with these flagged, [n] bool; itself if they are."""
        return self if np.array_equal(flagged, self.flagged) else replace(self, flagged=flagged)


_COLUMNS = tuple(each.name for each in fields(Comparisons) if each.name != "clips")


def widened(rows: Array, width: int) -> Array:
    """Rows [n, K] with EMPTY columns up to [n, `width`], K <= `width`."""
    missing = width - rows.shape[1]
    return np.pad(rows, ((0, 0), (0, missing)), constant_values=EMPTY) if missing else rows


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a reward model is fitted to."""

    comparisons: Comparisons
    behaviour: Behaviour | None = None  # None: the reward model does not ask for it
    demonstrations: Transitions | None = None  # None: there are none
