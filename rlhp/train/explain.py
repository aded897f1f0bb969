"""Explains errors of Hydra, launchers and sweepers in one sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from rlhp import renamed
from rlhp.train.overrides import parse_override
from rlhp.types import UserError

CONFIG = {"version_base": "1.3", "config_path": "pkg://rlhp.conf", "config_name": "config"}
NESTED = ("experiment",)  # groups whose subfolders hold choices; in other groups subfolders are groups
PLUGINS = {
    "hydra_submitit_launcher": "slurm",
    "hydra_ray_launcher": "ray",
    "hydra_optuna_sweeper": "optuna",
}  # and the extras of rlhp that install them


def trouble(text: str) -> str | None:
    """Explain an error of a launcher or a sweeper; None if the user cannot fix it."""
    if "Config group override must be" in text:
        return "choose a group by name; to unset a choice of a recipe, use its dotted key, as in agent.intrinsic_reward=null."
    if unknown := re.search(r"Unknown plugin class : 'hydra_plugins\.(\w+)", text):
        package = unknown[1].replace("_", "-")
        requirement = f"rlhp[{PLUGINS[unknown[1]]}]" if unknown[1] in PLUGINS else package
        return f"this sweep needs the package {package}, which is not installed; install it with: pip install '{requirement}'"
    if lost := re.search(r"with path (.*)/[^/]*\nhas not produced any output", text):
        return f"a job ended without a result (see {lost[1]}); repeat the command to continue the sweep."
    if 'not detect "srun"' in text:
        return "there is no Slurm here: log in to a cluster, or try the sweep with hydra/launcher=slurm_local or =joblib."
    return None


def explained(
    error: HydraException | OmegaConfBaseException,
    words: Sequence[str],
    command: str = "rlhp train",
    config: str = CONFIG["config_name"],
) -> UserError:
    """Explain why the settings `words` cannot be composed from the `config` of a command, with the nearest names."""
    text = str(error).strip().splitlines() or [type(error).__name__]
    match error:
        case MissingConfigException() if new := _current_name(str(error.missing_cfg_file)):
            return UserError(f"{error.missing_cfg_file} is now called {new}: rename it in your yaml.")
        case MissingConfigException() if error.options:
            group, choice, options = _missing(error, words)
            near = ", ".join(get_close_matches(choice, options, n=3, cutoff=0.0))
            return UserError(f"there is no {group}={choice}; the nearest are {near}.")
        case OverrideParseException():
            return UserError(f"{error.override!r} is not a setting; give settings as KEY=VALUE, such as env=hopper.")
        case MissingMandatoryValue():
            key = str(error).rpartition("full_key: ")[2].splitlines()[0]
            return UserError(f"{key} has no value; set it with {key}=...")
        case ConfigCompositionException() if "Could not override" in text[0]:
            key = text[0].partition("Could not override '")[2].split("'")[0].split("@")[0]
            if key in renamed.GROUPS:
                return UserError(f"{key} is now called {renamed.GROUPS[key]}: rename it in your yaml.")
            if swept := _group_of_first_job(words, config):
                return UserError(
                    f"before a sweep over {swept}, Hydra composes the default {swept}, which has no setting {key}; choose an "
                    "experiment whose default has it, such as experiment=figure3, or train them one by one."
                )
            near = ", ".join(_nearest(key, _keys(words, config)))
            return UserError(f"there is no setting {key}; the nearest are {near} ({command} --cfg job lists them all).")
        case ConfigCompositionException() if text[0].startswith("Ambiguous value") or "requires --multirun" in text[0]:
            return UserError(f"{text[0].split(chr(39))[1]} lists several values; add -m to train with each of them.")
    cause = error.__cause__
    return cause if isinstance(cause, UserError) else UserError(f"these settings cannot be composed: {' '.join(text)}")


def _current_name(config: str) -> str | None:
    """The current name of a group's choice, such as agent/intrinsic_reward/state_entropy; None if it has not been renamed."""
    group, _, choice = config.rpartition("/")
    now = renamed.override(f"{group}={choice}").replace("=", "/", 1)
    return now if group and now != config else None


def _missing(error: MissingConfigException, words: Sequence[str]) -> tuple[str, str, list[str]]:
    """The group, the missing choice, and the available choices, including those in folders such as experiment=ablation/target."""
    missing = str(error.missing_cfg_file)
    pairs = (word.partition("=")[::2] for word in words)
    group, choice = next((pair for pair in pairs if "/".join(pair) == missing), missing.rpartition("/")[::2])
    folder = Path(str(files("rlhp.conf"))) / group
    below = folder.glob("*/**/*.yaml") if group in NESTED else ()
    return group, choice, [*(error.options or ()), *(p.relative_to(folder).with_suffix("").as_posix() for p in sorted(below))]


def _nearest(key: str, keys: Sequence[str]) -> list[str]:
    """The three names most similar to `key`, preferring the same component."""
    part = key
    while part:
        part = part.rpartition(".")[0]
        same = [name for name in keys if name.startswith(f"{part}.")] if part else list(keys)
        if same:
            return get_close_matches(key, same, n=3, cutoff=0.0)
    return []


def _keys(words: Sequence[str], config: str) -> list[str]:
    """The dotted names of all settings and groups, with the groups that `words` choose."""
    GlobalHydra.instance().clear()
    chosen = [word for word in words if (found := parse_override(word)) and found.value_type and not found.is_sweep_override()]
    with hydra.initialize_config_module("rlhp.conf", version_base=CONFIG["version_base"]):
        for overrides in ([word for word in chosen if "." not in word.partition("=")[0]], []):
            try:
                settings = OmegaConf.to_container(hydra.compose(config, overrides), resolve=False)
            except (HydraException, OmegaConfBaseException):
                continue  # one of the words is wrong
            return _walk(settings, "")
    return []


def _group_of_first_job(words: Sequence[str], config: str) -> str | None:
    """The first group of a sweep whose first job can be composed although the sweep cannot; else None."""
    overrides = [found for word in words if (found := parse_override(word)) and found.value_type]
    swept = [found for found in overrides if found.is_sweep_override()]
    first = [f"{found.key_or_group}={next(found.sweep_string_iterator())}" for found in swept if found.is_discrete_sweep()]
    fixed = [str(found.input_line) for found in overrides if not found.is_sweep_override()]
    groups = [found.key_or_group for found in swept if (files("rlhp.conf") / found.key_or_group).is_dir()]
    if not groups:
        return None
    GlobalHydra.instance().clear()
    with hydra.initialize_config_module("rlhp.conf", version_base=CONFIG["version_base"]):
        try:
            hydra.compose(config, [*fixed, *first])
        except (HydraException, OmegaConfBaseException):
            return None
    return groups[0]


def _walk(node: Any, prefix: str) -> list[str]:
    if not isinstance(node, dict):
        return [prefix]
    below = [name for key, value in node.items() for name in _walk(value, f"{prefix}.{key}" if prefix else str(key))]
    return [prefix, *below] if prefix else below
