"""Loads what a run's reward model has learned, and the clips to measure it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium import spaces
from hydra.utils import instantiate

from rlhp import answers
from rlhp.reward import TrueReward
from rlhp.run import is_fit, last_checkpoint, last_checkpoint_step, read_settings
from rlhp.train.fit import given_to
from rlhp.train.from_run import restored
from rlhp.train.job import environment
from rlhp.types import Array, Memory, Predictor, Segment, UserError, make_rng, seen_space


@dataclass(frozen=True, slots=True)
class Learned:
    """The reward model of a run's newest checkpoint, and clips of the run."""

    settings: Mapping[str, Any]
    step: int  # of the checkpoint
    model: Predictor
    observation_space: spaces.Space[Any]  # of the observations that networks read
    action_space: spaces.Space[Any]
    heldout: Sequence[Segment]  # held-out clips, spread over the run, oldest first
    recent: Sequence[Segment]  # clips of recent policies
    data: answers.Preferences | None = None  # the data of `rlhp fit`
    fitted: Array | None = None  # rows of its comparisons that were fitted; the others were held out


def learned(run: Path, recent: int = 200) -> Learned:
    """Load the results of `rlhp train` or `rlhp fit` from a run directory, with at most `recent` recent clips.

    Raises UserError if there is no checkpoint, or the run's reward was not learned.
    """
    settings = read_settings(run)
    if is_fit(run, settings):
        return _fitted(run, settings)
    env = environment(settings, n_envs=1, seed=0)
    env.close()  # only its spaces are needed
    seen = seen_space(env.observation_space, getattr(env, "stack", 1))
    model = _model(run, settings, seen, env.action_space)
    memory: Memory = instantiate(settings["memory"], _convert_="all")
    if "memory" in (parts := last_checkpoint(run)):
        memory.restore(parts["memory"])  # type: ignore[attr-defined]
    newest = _newest(memory, recent, settings["seed"])
    return Learned(settings, last_checkpoint_step(run), model, seen, env.action_space, tuple(memory.heldout), newest)


def _fitted(run: Path, settings: Mapping[str, Any]) -> Learned:
    data, rows = given_to(settings)
    seen = seen_space(data.observation_space(), data.stack)
    actions = data.action_space(settings["actions"])
    return Learned(settings, last_checkpoint_step(run), _model(run, settings, seen, actions), seen, actions, (), (), data, rows)


def _model(run: Path, settings: Mapping[str, Any], seen: spaces.Space[Any], actions: spaces.Space[Any]) -> Predictor:
    """The reward model, with the reward input that it was trained with."""
    model = restored(seen, actions, str(run), settings["reward_model"].get("reward_input", "obs"))
    if isinstance(model, TrueReward):
        raise UserError(f"{run} learned no reward, but a policy from the task's reward or from an expert; give another run.")
    return model


def _newest(memory: Memory, most: int, seed: int) -> list[Segment]:
    """Distinct clips among those from which queries are made."""
    drawn = memory.sample(2 * most, 1, make_rng(seed, "inspect/recent")) if len(memory) else []
    return list({id(clip): clip for (clip,) in drawn}.values())[:most]
