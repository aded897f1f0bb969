"""Any on-policy algorithm of Stable-Baselines3 as a generator of rollouts that is handed its reward afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from stable_baselines3.common.vec_env import VecNormalize, unwrap_vec_wrapper

from rlhp.agent.explore import Explore, Still
from rlhp.agent.frozen_policy import FrozenPolicy
from rlhp.agent.recorder import Recorder
from rlhp.agent.refit import Refit, evaluate, no_refit, value_parameters
from rlhp.agent.scale import Scale, Unscaled
from rlhp.agent.stack import FrameStack
from rlhp.finite import is_finite
from rlhp.types import Array, Behaviour, Metrics, Rollout, Transitions, UserError

NAMES = {  # what SB3 logs, and what it is called here; the entropy is logged negated
    "train/policy_gradient_loss": "policy_loss",
    "train/policy_loss": "policy_loss",
    "train/value_loss": "value_loss",
    "train/approx_kl": "approx_kl",
    "train/clip_fraction": "clip_fraction",
    "train/explained_variance": "explained_variance",
    "train/std": "action_std",
    "train/learning_rate": "learning_rate",
}


class Blind(OnPolicyAlgorithm):
    """Mixin: `rollouts` acts, `update` learns, and in between somebody else decides what the steps were worth."""

    recorder: Recorder
    scale: Scale
    refit: Refit
    explore: Explore
    callback: BaseCallback | list[BaseCallback] | None

    def attach(
        self,
        recorder: Recorder,
        scale: Scale | None = None,
        callback: Any = None,
        refit: Refit = no_refit,
        explore: Explore | None = None,
    ) -> None:
        """Give it its recorder, the scale of its reward, callbacks of SB3's kind, what becomes of its value function when it is
        rewarded, and of its policy where it is not. To be called once, before training.
        """
        self.recorder, self.scale, self.callback = recorder, scale or Unscaled(), callback
        self.refit, self.explore = refit, explore or Still()
        self._frames = None if self.env is None else unwrap_vec_wrapper(self.env, FrameStack)
        self._unrewarded: list[Rollout] = []
        self._explored = False
        self._fresh_scale, self._fresh_explore = self.scale.snapshot(), self.explore.snapshot()
        self._fresh_values = [p.detach().clone() for p in value_parameters(self.policy)]
        self.set_logger(Logger(folder=None, output_formats=[]))

    def rollouts(self, total_steps: int) -> Iterator[Rollout]:
        """Act until `total_steps` environment steps have been made, counted from the start of the run.

        Set up once, so that learning-rate and clip schedules run over the whole of training.
        """
        remaining = total_steps - self.num_timesteps
        _, callback = self._setup_learn(remaining, self.callback, reset_num_timesteps=self.num_timesteps == 0)
        callback.on_training_start(locals(), globals())
        assert self.env is not None
        while self.num_timesteps < total_steps:
            self._make_up()
            with self._diverging():
                more = self.collect_rollouts(self.env, callback, self.rollout_buffer, self.n_steps)
            if not more:
                break
            self._update_current_progress_remaining(self.num_timesteps, total_steps)
            self._unrewarded = [replace(self.recorder.rollout(), log_prob=self.rollout_buffer.log_probs.copy())]
            yield self._unrewarded[0]
        callback.on_training_end()

    def behaviour(self) -> Behaviour:
        """The last rollout without its true reward, and the policy that made it; to be asked before `update`."""
        assert self._unrewarded, "asked for after `rollouts` and before `update`"
        rollout, n = self._unrewarded[0], self.n_steps * self.n_envs
        steps = (rollout.seen(), rollout.act, rollout.seen_after(), self.rollout_buffer.log_probs)
        obs, act, after, log_prob = (x.reshape(n, *x.shape[2:]) for x in steps)
        return Behaviour(Transitions(obs, act, after), log_prob, self.frozen_policy())

    def frozen_policy(self) -> FrozenPolicy:
        """The policy as it is now."""
        return FrozenPolicy(self.policy, self._vec_normalize_env, self.recorder.venv.action_space)  # type: ignore[arg-type]

    def update(self, reward: Array) -> Metrics:
        """Improve the policy on the last rollout, rewarded [T, N]. Raises UserError where the policy is not finite then."""
        self._unrewarded = []
        if self._explored:
            self._begin_anew()
        return self._improve(reward)

    def _make_up(self) -> None:
        """If nobody has rewarded the last rollout, explore by it; before the next one, or before the agent is saved."""
        unrewarded, self._unrewarded = self._unrewarded, []
        for bonus in map(self.explore, unrewarded):
            if bonus is not None:
                self._improve(bonus)
                self._explored = True

    def _begin_anew(self) -> None:
        """The first reward after exploring: values, and the scale of the reward, were those of another one.

        PrefPPO starts with a fresh value function there too. What this rollout holds of gamma V at time limits is still the old.
        """
        with torch.no_grad():
            for parameter, fresh in zip(value_parameters(self.policy), self._fresh_values, strict=True):
                parameter.copy_(fresh)
        evaluate(self)
        self.scale.restore(self._fresh_scale)
        self.explore.restore(self._fresh_explore)
        self._explored = False

    def _improve(self, reward: Array) -> Metrics:
        """One update of the policy, by the reward [T, N] of the last rollout.

        The buffer already holds gamma V(last observation) where a time limit cut an episode: the reward is added to it, and
        returns and advantages are computed anew.
        """
        buffer, last_done = self.rollout_buffer, np.asarray(self._last_episode_starts)
        done = np.concatenate([buffer.episode_starts[1:] > 0, last_done[np.newaxis]])
        buffer.rewards += self.scale(reward, done)
        self._credit()
        refitted = self.refit(self, self._credit)
        with self._diverging(), np.errstate(all="ignore"):  # what overflows is seen in the parameters
            self.train()
        if not all(is_finite(parameter.detach().cpu().numpy()) for parameter in self.policy.parameters()):
            raise UserError(self._diverged())
        logged = self.logger.name_to_value
        metrics = {name: float(logged[key]) for key, name in NAMES.items() if key in logged}
        return {"entropy": -float(logged["train/entropy_loss"]), **metrics, **refitted}

    @contextmanager
    def _diverging(self) -> Iterator[None]:
        """What torch's distributions say of a policy's parameters that are not finite, as the user's error."""
        try:
            yield
        except ValueError as error:
            if "to satisfy the constraint" not in str(error):
                raise
            raise UserError(self._diverged()) from error

    def _diverged(self) -> str:
        return (
            f"the policy has diverged: by step {self.num_timesteps:,} its parameters are not finite; "
            "lower agent.learning_rate.start and train again with name=..."
        )

    def _credit(self) -> None:
        """Returns and advantages of the last rollout, from its rewards and the values in the buffer."""
        with torch.no_grad():
            values = self.policy.predict_values(obs_as_tensor(self._last_obs, self.device))  # type: ignore[arg-type]
        self.rollout_buffer.compute_returns_and_advantage(values, np.asarray(self._last_episode_starts))

    def snapshot(self) -> dict[str, Array]:
        """Everything that the next step depends on, as arrays: weights, optimiser, environments, statistics, random streams.

        What it sees and the environments are left out while it has not acted.
        """
        self._make_up()
        acted = self._last_obs is not None
        parts = {
            "recorder": self.recorder.snapshot() if acted else {},
            "scale": self.scale.snapshot(),
            "explore": self.explore.snapshot(),
            "policy": {k: v.detach().cpu().numpy().copy() for k, v in self.policy.state_dict().items()},
            "optimiser": _optimiser_state(self.policy.optimizer),
            "normalise": _normaliser_state(self._vec_normalize_env),
            "random": _random_state(),
            "frames": self._frames.snapshot() if acted and self._frames is not None else {},
            "self": {
                "num_timesteps": np.array(self.num_timesteps),
                "n_updates": np.array(self._n_updates),
                "progress": np.array(self._current_progress_remaining),
                "explored": np.array(self._explored),
            },
        }
        if acted:
            parts["self"] |= {"last_obs": np.array(self._last_obs), "last_done": np.array(self._last_episode_starts)}
        return {f"{part}/{k}": v for part, state in parts.items() for k, v in state.items()}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from a snapshot: bit for bit on the CPU where the environments can, else from a reset of them."""
        own = _part(state, "self")
        self.num_timesteps, self._n_updates = int(own["num_timesteps"]), int(own["n_updates"])
        self._current_progress_remaining = float(own["progress"])
        self.restore_policy(state)
        _restore_optimiser(self.policy.optimizer, _part(state, "optimiser"))
        self.scale.restore(_part(state, "scale"))
        self.explore.restore(_part(state, "explore"))
        self._explored = bool(own.get("explored", False))
        if "last_obs" in own and self.recorder.restore(_part(state, "recorder")):
            if self._frames is not None:
                self._frames.restore(_part(state, "frames"))
            self._last_obs, self._last_episode_starts = own["last_obs"].copy(), own["last_done"].copy()
        _restore_random(_part(state, "random"))

    def restore_policy(self, state: dict[str, Array]) -> None:
        """The policy of a snapshot, and the statistics that its observations are normalised by: enough to act."""
        self.policy.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in _part(state, "policy").items()})
        _restore_normaliser(self._vec_normalize_env, _part(state, "normalise"))

    def act(self, obs: Array, deterministic: bool = True) -> Array:
        """Raw observations, stacked where the policy sees stacks, [N, *O] -> actions [N, *A], as the environment takes them."""
        seen = obs if self._vec_normalize_env is None else self._vec_normalize_env.normalize_obs(obs)
        return self.recorder.executed(self.predict(seen, deterministic=deterministic)[0])  # type: ignore[arg-type]


class BlindPPO(Blind, PPO):
    """Proximal policy optimisation, blind."""


class BlindA2C(Blind, A2C):
    """Advantage actor-critic, blind: the paper's algorithm on Atari."""


def _part(state: dict[str, Array], name: str) -> dict[str, Array]:
    return {k.removeprefix(f"{name}/"): v for k, v in state.items() if k.startswith(f"{name}/")}


def _optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Array]:
    """The moments of each parameter by its number; whole numbers stay whole numbers."""
    state = optimiser.state_dict()["state"]
    return {
        f"{i}/{k}": v.cpu().numpy().copy() if isinstance(v, torch.Tensor) else np.array(v)
        for i, moments in state.items()
        for k, v in moments.items()
        if v is not None
    }


def _restore_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Array]) -> None:
    moments: dict[int, dict[str, Any]] = {}
    for key, value in state.items():
        i, name = key.split("/")
        whole = value.ndim == 0 and value.dtype.kind == "i"
        moments.setdefault(int(i), {})[name] = int(value) if whole else torch.from_numpy(value.copy())
    optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})


def _normaliser_state(normaliser: VecNormalize | None) -> dict[str, Array]:
    if normaliser is None:
        return {}
    rms = normaliser.obs_rms
    return {"mean": np.array(rms.mean), "var": np.array(rms.var), "count": np.array(rms.count)}  # type: ignore[union-attr]


def _restore_normaliser(normaliser: VecNormalize | None, state: dict[str, Array]) -> None:
    if normaliser is not None:
        rms = normaliser.obs_rms
        rms.mean, rms.var, rms.count = state["mean"].copy(), state["var"].copy(), float(state["count"])  # type: ignore[union-attr]


def _random_state() -> dict[str, Array]:
    """SB3 draws actions from torch's global stream and shuffles minibatches by NumPy's."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    assert kind == "MT19937"
    return {
        "torch": torch.get_rng_state().numpy(),
        "keys": np.asarray(keys),
        "position": np.array([position, has_gauss]),
        "gauss": np.array(gauss),
    }


def _restore_random(state: dict[str, Array]) -> None:
    torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
    position, has_gauss = (int(v) for v in state["position"])
    np.random.set_state(("MT19937", state["keys"], position, has_gauss, float(state["gauss"])))
