"""What a run's reward model has learned, and what the run has left to measure it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gymnasium import spaces
from hydra.utils import instantiate

from rlhp import answers
from rlhp.reward import TrueReward
from rlhp.run import last_checkpoint, last_checkpoint_step, read_settings
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
    observation_space: spaces.Space[Any]  # as networks see observations
    action_space: spaces.Space[Any]
    heldout: Sequence[Segment]  # clips that nobody was asked about, spread over the run, oldest first
    recent: Sequence[Segment]  # some clips of the newest policies
    data: answers.Preferences | None = None  # what `rlhp fit` was given
    fitted: Array | None = None  # which of its comparisons were learned from; the others were held out


def learned(run: Path, recent: int = 200) -> Learned:
    """What `rlhp train` or `rlhp fit` has left in a run directory, with at most so many `recent` clips.

    Raises UserError where there is no checkpoint, or where the run's reward was not learned.
    """
    settings = read_settings(run)
    if "env" not in settings:
        return _fitted(run, settings)
    env = environment(settings, n_envs=1, seed=0)
    env.close()  # it told its spaces
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
    """The reward model, with the reward input that it was learned with."""
    model = restored(seen, actions, str(run), settings["reward_model"].get("reward_input", "obs"))
    if isinstance(model, TrueReward):
        raise UserError(f"{run} learned no reward, but a policy from the task's own reward or from an expert; name another run.")
    return model


def _newest(memory: Memory, most: int, seed: int) -> list[Segment]:
    """Different clips of those that questions may be made from."""
    drawn = memory.sample(2 * most, 1, make_rng(seed, "inspect/recent")) if len(memory) else []
    return list({id(clip): clip for (clip,) in drawn}.values())[:most]
