"""Records of behaviour: rollouts, transitions, and episodes of an expert.

Shapes: T steps, N environments, H earlier observations (of a stack), L steps of a segment, n transitions,
*O an observation, *A an action, S a simulator state. All times are in environment steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rlhp.types.basics import Array, Metrics
from rlhp.types.clips import Packed, Segment
from rlhp.types.frames import stacked
from rlhp.types.pictures import Frames


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
