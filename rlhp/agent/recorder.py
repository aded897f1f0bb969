"""Recording of what happens in an environment, for teacher and reward model; the agent gets reward 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from rlhp.agent import actions as translated
from rlhp.finite import check_actions, check_observed, check_received
from rlhp.types import Array, Deflated, Rollout, Stateful, stack_states


class Recorder(VecEnvWrapper):
    """Records raw observations, executed actions and the true reward, and returns reward 0: the agent is blind.

    It wraps the environment directly, below any normalisation, so its records are raw. Its action space is that of the policy
    (see `rlhp.agent.actions`); it records actions as the environment executed them. Raises UserError at the first observation,
    reward or action that is not finite.
    """

    def __init__(self, venv: VecEnv) -> None:
        actions = translated.of(venv.action_space)
        super().__init__(venv, action_space=actions.space)
        self.executed = actions.executed
        self._task = str(getattr(venv, "task", type(venv).__name__))
        self._history = getattr(venv, "stack", 1) - 1  # number of earlier observations that a network sees with each one
        self._replays = bool(getattr(venv, "replays", False))
        self._before: list[Array] = []  # the earlier observations at the start of the rollout, oldest first
        self._obs: Array = np.zeros(0)
        self._running = np.zeros(venv.num_envs)
        self._made = 0  # environment steps since the start of the run
        self._forget()

    def _forget(self) -> None:
        self._steps: list[tuple[Array, Array, Array, Array]] = []
        self._states: list[Array | tuple[Deflated, ...]] = []
        self._last: list[tuple[int, int, Array]] = []  # step, environment, an episode's last observation
        self._returns: list[float] = []
        self._unstable = 0

    def seed(self, seed: int | None = None) -> Sequence[None]:
        """Do nothing: environments are seeded when they are built, and SB3 would replace their seeds by the agent's."""
        return [None] * self.num_envs

    def reset(self) -> VecEnvObs:
        """Start new episodes in all environments."""
        self._obs = np.array(self.venv.reset())
        check_observed(self._task, self.observation_space, self._obs, self._made)
        self._running = np.zeros(self.num_envs)
        self._before = [self._obs] * self._history
        self._forget()
        return self._obs

    def step_async(self, actions: Array) -> None:
        """Start a step, and record the action with the state in which it is taken."""
        check_actions(self._task, actions, self._made)
        state = self.venv.states()  # type: ignore[attr-defined]
        self._act = self.executed(actions)
        self.venv.step_async(self._act.copy())  # a copy, since environments may change it
        if state is not None:
            self._states.append(state)

    def step_wait(self) -> VecEnvStepReturn:
        """Finish the step and record it; returns reward 0."""
        obs, true_reward, done, infos = self.venv.step_wait()
        self._made += self.num_envs
        check_received(self._task, "reward", true_reward, self._made)
        check_observed(self._task, self.observation_space, np.asarray(obs), self._made)
        ended = _ended(done, infos)
        self._steps.append((self._obs, self._act, np.array(true_reward), ended))
        self._obs = np.array(obs)
        self._running += true_reward
        for i in np.flatnonzero(ended).tolist():
            self._end(i, infos[i], visible=bool(done[i]))
        return obs, np.zeros(self.num_envs, dtype=np.float32), done, infos

    def _end(self, i: int, info: dict, visible: bool) -> None:
        """Record the end of an episode of environment i; a shortened one has no return. `visible`: the agent sees the end."""
        if visible:
            last = np.asarray(info["terminal_observation"])
            check_observed(self._task, self.observation_space, last[np.newaxis], self._made, i, "last observation")
            self._last.append((len(self._steps) - 1, i, _single(last)))
        if not info.get("shortened"):
            self._returns.append(float(info.get("score", self._running[i])))
        self._unstable += bool(info.get("unstable"))
        self._running[i] = 0.0

    def rollout(self) -> Rollout:
        """Return all steps since the last call as one record."""
        obs, act, true_reward, cut = (list(column) for column in zip(*self._steps, strict=True))
        obs = [*self._before, *obs]
        rollout = Rollout(
            _single(np.stack(obs)),
            _single(np.stack(act)),
            np.stack(true_reward),
            np.stack(cut),
            stack_states(self._states) if len(self._states) == len(true_reward) else None,
            np.array(self._returns),
            _single(self._obs),
            tuple(self._last),
            self._unstable,
            self._replays,
        )
        self._before = obs[len(obs) - self._history :]
        self._forget()
        return rollout

    def snapshot(self) -> dict[str, Array]:
        """The state of the environments and the returns of running episodes; called between rollouts."""
        saved = self.venv.snapshot() if isinstance(self.venv, Stateful) else {}
        inner = {f"env/{k}": v for k, v in saved.items()}
        before = {"before": np.stack(self._before)} if self._before else {}
        mine = {"obs": self._obs.copy(), "running": self._running.copy(), "made": np.array(self._made)}
        return {**inner, **before, **mine}

    def restore(self, state: dict[str, Array]) -> bool:
        """Continue from a snapshot; False if the environments cannot be restored and must start from a reset."""
        inner = {k.removeprefix("env/"): v for k, v in state.items() if k.startswith("env/")}
        self._forget()
        self._made = int(state.get("made", 0))  # older checkpoints do not count steps
        if not inner or self.venv.restore(inner) is None:  # type: ignore[attr-defined]
            return False
        self._obs, self._running = state["obs"].copy(), state["running"].copy()
        self._before = list(state.get("before", ()))
        return True


def _ended(done: Array, infos: Sequence[dict]) -> Array:
    """Which environments are reset [N], also if that is hidden from the agent."""
    return np.array(done) | np.array([bool(info.get("cut")) for info in infos])


def _single(x: Array) -> Array:
    """Convert float64 to float32, which networks read; other types stay."""
    return x.astype(np.float32) if x.dtype == np.float64 else x
