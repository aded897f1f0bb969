"""What a policy is worth under the true reward, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv

from rlhp.finite import check_actions, check_observed, check_received
from rlhp.render import drawn
from rlhp.types import Array, Deflated, Rollout, Segment, Transitions, UserError, in_a_row

MAX_STEPS = 100_000  # of an episode, before `returns` gives up
LONGEST = 240  # steps that `watch` holds in memory at a time: whole multiples of what a film shows of them
NONE: Array = np.zeros(0)  # returns: no episode's
_Step = tuple[Array, Array, float, Array | tuple[Deflated, ...] | None]
Policy = Callable[[Any], Array]  # raw observations [N, *O] -> actions [N, *A]


def by_mode(action_space: spaces.Space) -> bool:
    """Whether a policy is judged by the modes of its distributions: those of continuous actions.

    The likeliest of a few actions is another policy than the one that was trained; in a game it may repeat itself without end.
    """
    return isinstance(action_space, spaces.Box)


def returns(policy: Policy, env: VecEnv, episodes: int, max_steps: int = MAX_STEPS) -> Array:
    """Undiscounted true returns, or scores, of `episodes` complete episodes; the environment's rewards are the true ones.

    Each of the N environments contributes a share fixed beforehand: taking whichever episodes end first would favour short ones.
    Episodes that were cut short do not count. Raises UserError for less than one episode or step, where an environment makes
    `max_steps` steps without the end of an episode that counts, and where a number is not finite.
    """
    if episodes < 1 or max_steps < 1:
        name, value = ("episodes", episodes) if episodes < 1 else ("max_steps", max_steps)
        raise UserError(f"{name} is {value}, but at least one is needed; give 1 or more.")
    task = str(getattr(env, "task", type(env).__name__))
    share = (episodes + np.arange(env.num_envs)) // env.num_envs
    running, done, waited = np.zeros(env.num_envs), np.zeros(env.num_envs, int), np.zeros(env.num_envs, int)
    finished: list[float] = []
    for reward, ended, whole, score in _steps(policy, env, task):
        running += reward
        finished += np.where(np.isnan(score), running, score)[whole & (done < share)].tolist()
        done += whole
        running[ended] = 0
        waited = np.where(whole, 0, waited + 1)
        if (done >= share).all():
            break
        if (waited[done < share] >= max_steps).any():
            raise UserError(_endless(task, max_steps, getattr(env, "horizon", None)))
    return np.array(finished)


def _steps(policy: Policy, env: VecEnv, task: str) -> Iterator[tuple[Array, Array, Array, Array]]:
    """Rewards [N] of each step, which episodes ended [N], which of these were whole [N], and their scores [N]; it never ends.

    A score is NaN where the environment reports none: it is then the sum of the rewards. An episode ends where a reset follows,
    whether or not the agent is told.
    """
    obs: Any = env.reset()
    check_observed(task, env.observation_space, obs, 0)
    for step in count(env.num_envs, env.num_envs):
        actions = policy(obs)
        check_actions(task, actions, step - env.num_envs)
        obs, reward, dones, infos = env.step(actions)
        check_received(task, "reward", reward, step)
        check_observed(task, env.observation_space, obs, step)
        ended = dones | np.array([bool(info.get("cut")) for info in infos])
        whole = ended & ~np.array([bool(info.get("shortened")) for info in infos])
        yield reward, ended, whole, np.array([info.get("score", np.nan) for info in infos])


def visited(policy: Policy, env: VecEnv, steps: int) -> Transitions:
    """Where a policy goes in `steps` steps from a reset of N environments, and what it does there: [steps N], step by step.

    The observation after an episode's last step is that episode's. Raises UserError where a number is not finite.
    """
    task, obs = str(getattr(env, "task", type(env).__name__)), np.array(env.reset())
    rows: list[tuple[Array, Array, Array]] = []
    for step in range(1, steps + 1):
        check_observed(task, env.observation_space, obs, (step - 1) * env.num_envs)
        act = policy(obs)
        check_actions(task, act, (step - 1) * env.num_envs)
        new, _, dones, infos = env.step(act.copy())
        after = np.array(new)
        for i in np.flatnonzero(dones):
            after[i] = infos[i]["terminal_observation"]
        rows.append((obs, act, after))
        obs = np.array(new)
    obs, act, after = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Transitions(_single(obs), act, _single(after))


def _single(x: Array) -> Array:
    return x.astype(np.float32) if x.dtype == np.float64 else x


def _endless(task: str, max_steps: int, horizon: int | None) -> str:
    """`horizon`: steps after which an episode ends; None: not known."""
    why = f"an environment of {task} made {max_steps:,} steps without ending an episode, so there is no return to measure"
    if horizon is not None:
        return f"{why}; its episodes have at most {horizon:,} steps: give a larger --max-steps"
    return f"{why}; train it with a time limit, env.max_episode_steps=..., or give a larger --max-steps"


def watch(policy: Policy, env: Any, steps: int) -> Iterator[Segment]:
    """What the first environment does in `steps` steps from its reset, cut wherever a real reset follows, or at LONGEST.

    `env` is a `VecEnv` that is a `rlhp.types.Env` as well; it steps as segments are asked for. A segment holds no history, and
    the state before each of its steps; where one state and the actions render a clip (`replays`), the first alone.
    """
    stack, replays = getattr(env, "stack", 1), bool(getattr(env, "replays", False))
    rows: list[_Step] = []
    obs = env.reset()
    for step in range(1, steps + 1):
        states, seen, actions = env.states(), obs[0][-1] if stack > 1 else obs[0], policy(obs)
        before, kept = np.array(seen), np.array(states) if isinstance(states, np.ndarray) else states
        obs, reward, dones, infos = env.step(actions)
        rows.append((before, np.array(actions[0]), float(reward[0]), kept))
        if dones[0] or infos[0].get("cut") or step == steps or len(rows) == LONGEST:
            yield _segment(rows, replays)
            rows = []


def _segment(rows: list[_Step], replays: bool) -> Segment:
    """Observation, action and true reward of the first environment and states of all, step by step, as a clip of the first."""
    obs, act, reward, states = zip(*rows, strict=True)
    kept = [each for each in states if each is not None]
    state = in_a_row(kept) if kept else None
    steps = Rollout(_alone(obs), _alone(act), np.array(reward, np.float32)[:, None], np.zeros((len(rows), 1), bool), state, NONE)
    return replace(steps, replays=replays).clip(0, 0, len(rows))


def _alone(rows: Sequence[Array]) -> Array:
    """[L, 1, ...]: of one environment."""
    return np.stack(rows)[:, np.newaxis]


def pictures(policy: Policy, env: VecEnv, steps: int) -> Iterator[Array]:
    """The environment's own pictures [H, W, 3] uint8, before each of `steps` actions; it was made with render_mode "rgb_array".

    Raises UserError if it does not draw, and where the library that it draws with is missing.
    """
    obs = env.reset()
    for _ in range(steps):
        yield drawn(lambda: next(iter(env.get_images())))
        obs = env.step(policy(obs))[0]
