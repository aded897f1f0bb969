"""Components built from the results of an earlier run: its answers, its reward."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from gymnasium import spaces

from rlhp.reward import Frozen, model_state
from rlhp.run import differing, last_checkpoint, read_settings, shown
from rlhp.store import digest, recorded
from rlhp.teacher import Replay
from rlhp.train.build import component, settings_of
from rlhp.types import Array, RewardModel, Setup, UserError


def replay(run: str) -> Replay:
    """The answers that a run used, each at the step at which it was first used. Raises UserError if there are none."""
    read_settings(Path(run))
    return Replay(recorded(Path(run) / "preferences.sqlite"), digest, partial(_check_same_queries, Path(run)))


def _check_same_queries(run: Path, setup: Setup) -> None:
    """Raise UserError unless everything that queries depend on is the same as in that run."""
    differs = [key for key in differing(run, setup.settings) if key.split(".")[0] not in ("name", "teacher", "max_pending")]
    if differs:
        raise UserError(f"the answers of {run} belong to queries of a run with other settings ({shown(differs)}); repeat those.")


def frozen(observation_space: spaces.Space, action_space: spaces.Space, run: str, reward_input: str = "obs") -> Frozen:
    """The reward that a run had learned at its last checkpoint; it reads the observation that `reward_input` names.

    Raises UserError if there is none, or if it reads other observations or actions than these.
    """
    return Frozen(restored(observation_space, action_space, run, reward_input))


def restored(observation_space: spaces.Space, action_space: spaces.Space, run: str, reward_input: str) -> RewardModel:
    """A run's reward model at its last checkpoint, for reading. Raises UserError as `frozen` does."""
    settings = read_settings(Path(run))
    learned = settings["reward_model"]
    given = (
        {"reward_input": reward_input} if learned.keys() & {"reward_input", "members"} else {}
    )  # TrueReward does not accept it
    with settings_of(Path(run)):
        model = component("reward_model", {**learned, **given})(observation_space, action_space)
    state = model_state(last_checkpoint(Path(run))["reward"])
    if _shapes(model.snapshot()).items() - _shapes(state).items():
        raise UserError(
            f"the reward of {run} was learned on env={settings['task']}, whose observations or actions are of another size; "
            "choose that environment, or the run of another."
        )
    model.restore(state)
    getattr(model, "freeze", lambda: None)()
    return model


def _shapes(state: dict[str, Array]) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(array) for name, array in state.items()}
