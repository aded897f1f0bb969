"""Settings, choices and commands that were renamed: old names and current names.

Until version 2, old names work on the command line and print a sentence with the new name. The settings of earlier runs are
translated to the current names when they are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

SETTINGS = {
    "max_open": "max_pending",
    "credit": "reward_input",
    "restarts": "early_resets",
    "restarts.after": "early_resets.interval",
    "restarts.share": "early_resets.fraction",
    "effort": "training_schedule",
    "query.clips_per_label": "query.min_segments_per_label",
    "agent.explore": "agent.intrinsic_reward",
    "agent.reward_level": "agent.reward_shift",
    "reward_model.average_over": "reward_model.ema_window",
    "reward_model.credit": "reward_model.reward_input",
    "reward_model.inputs": "reward_model.input_scaling",
    "reward_model.penalty": "reward_model.regulariser",
}
GROUPS = {
    "agent/explore": "agent/intrinsic_reward",
    "reward_model/inputs": "reward_model/input_scaling",
    "reward_model/penalty": "reward_model/regulariser",
}
VALUES = {  # of settings and groups under their current names
    "reward_input": {"departure": "obs", "arrival": "next_obs"},
    "reward_model.reward_input": {"departure": "obs", "arrival": "next_obs"},
    "reward_model/input_scaling": {"alike": "unit", "lasting": "between_clip_variance"},
    "reward_model/augment": {"whole": "none"},
    "hydra/launcher": {"local": "joblib"},
    "hydra/sweeper": {"search": "optuna_tpe"},
}
TARGETS = {
    "rlhp.reward.Ensemble": "rlhp.reward.mlp_ensemble",
    "rlhp.reward.NoPenalty": "rlhp.reward.NoRegularisation",
    "rlhp.reward.alike": "rlhp.reward.unit_variance",
    "rlhp.reward.lasting": "rlhp.reward.between_clip_variance",
    "rlhp.reward.whole": "rlhp.reward.no_augmentation",
    "rlhp.schedule.PerStep": "rlhp.schedule.GradientStepsPerStep",
    "rlhp.schedule.Steady": "rlhp.schedule.SteadyGradientSteps",
    "rlhp.schedule.steady": "rlhp.schedule.steady_gradient_steps",
    "rlhp.film.Own": "rlhp.film.SelfRendered",
}
COMMANDS = {"label": "annotate", "labels": "answers"}
_OVERRIDE = re.compile(r"(?P<prefix>[+~]{0,2})(?P<key>[\w./]+)(?P<package>@[^=]*)?(?P<value>=.*)?", re.DOTALL)


def present(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the settings of a run, written by any version, to the current names."""
    return _present(settings, "", "")


def _present(settings: Mapping[str, Any], old_prefix: str, new_prefix: str) -> dict[str, Any]:
    found = {}
    for key, value in settings.items():
        old = f"{old_prefix}{key}"
        new = SETTINGS.get(old, f"{new_prefix}{key}")
        name = new.rpartition(".")[2] if old in SETTINGS else key  # a key such as module.Class has dots of its own
        found[name] = _value(value, key, old, new)
    return found


def _value(value: Any, key: str, old: str, new: str) -> Any:
    if isinstance(value, Mapping):
        return _present(value, f"{old}.", f"{new}.")
    if isinstance(value, list):
        return [_value(each, key, old, new) for each in value]
    if isinstance(value, str):
        return TARGETS.get(value, value) if key == "_target_" else VALUES.get(new, {}).get(value, value)
    return value


def override(word: str) -> str:
    """Translate one KEY=VALUE of a command line to the current names; return any other word unchanged."""
    parts = _OVERRIDE.fullmatch(word)
    if parts is None:
        return word
    old = parts["key"]
    key = GROUPS.get(old) or SETTINGS.get(old) or _below(old)
    values = VALUES.get(key, {})
    value = ",".join(values.get(each, each) for each in (parts["value"] or "")[1:].split(",")) if values else None
    written = parts["value"] or "" if value is None or not parts["value"] else f"={value}"
    return f"{parts['prefix']}{key}{parts['package'] or ''}{written}"


def given_twice(words: Sequence[str]) -> tuple[str, str] | None:
    """The old and the current name of a setting or group that a command line sets by both; None if there is none."""
    present = {_key(word) for word in words if override(word) == word}
    twice = (word for word in words if override(word) != word and _key(override(word)) in present - {_key(word)})
    return next(((_key(word), _key(override(word))) for word in twice), None)


def _key(word: str) -> str:
    parts = _OVERRIDE.fullmatch(word)
    return parts["key"] if parts else word


def earlier(word: str) -> str:
    """One KEY=VALUE under the names of earlier versions; other words are unchanged."""
    key, equals, value = word.partition("=")
    old = {new: name for name, new in {**SETTINGS, **GROUPS}.items()}.get(key, key)
    values = {new: name for name, new in VALUES.get(key, {}).items()}
    return f"{old}{equals}{values.get(value, value)}"


def _below(key: str) -> str:
    """Translate a key that starts with a renamed key, as the settings of a component do."""
    head = key
    while "." in head:
        head = head.rpartition(".")[0]
        if head in SETTINGS:
            return SETTINGS[head] + key[len(head) :]
    return key


def sentence(old: str, new: str) -> str:
    """The message for a user who typed an old name."""
    return f"{old} is now called {new}; the old name works until version 2."
