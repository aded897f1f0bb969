"""Checks the types of settings before anything is built from them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from rlhp import renamed
from rlhp.types import UserError

# each component checks its own ranges
WHOLE = (
    "labels",
    "clip_steps",
    "max_pending",
    "early_resets.interval",
    "agent.n_steps",
    "agent.batch_size",
    "env.filmed",
    "env.film_size",
)
ONE_OR_MORE = (
    "threads",
    "torch_threads",
    "agent.n_epochs",
    "agent.vectors.n_epochs",
    "agent.images.n_epochs",
    "agent.parts.n_epochs",
)
COMPONENTS = ("loop", "agent", "teacher", "memory", "query", "schedule", "reward_model", "env")  # groups that every run needs
MINIMA = {"labels": 0, "clip_steps": 1, "seed": 0, "n_envs": 1}
SEEDS = 2**32  # limit of numpy's seeds
STEPS = ("total_steps", "checkpoint_every")  # may be floats, as 1e6
SWITCHES = ("video", "watched")
GLOBAL = "# @package _global_"


def check(settings: Mapping[str, Any]) -> None:
    """Raise UserError for the first setting with a wrong type, NaN, or a value out of range."""
    for name in COMPONENTS:
        if name in settings and not isinstance(settings[name], Mapping):
            raise UserError(
                f"{name} is {settings[name]!r}, where it holds the settings of a component: delete the line from your yaml, or "
                f"choose one with `override /{name}: ...` in its defaults list."
            )
    found = dict(_leaves(settings))
    for key, value in found.items():
        if value != value:
            raise UserError(f"{key} is nan; give a number.")
        if key in (*WHOLE, *ONE_OR_MORE) and value is not None and type(value) is not int:
            raise UserError(f"{key} is {value!r}: give a whole number, written only with digits.")
        if value is None and key.replace(".", ".vectors.", 1) in found:
            continue  # selected by the observation space
        if key in ONE_OR_MORE and (value is None or value < 1):
            raise UserError(f"{key} is {value!r}: give a whole number of at least 1.")
        if key in MINIMA and isinstance(value, int | float) and value < MINIMA[key]:
            raise UserError(f"{key} is {value!r}: give a whole number of at least {MINIMA[key]}.")
        if key == "seed" and isinstance(value, int) and value >= SEEDS:
            raise UserError(f"seed is {value}: give a whole number below {SEEDS:,}.")
        if key in STEPS and (isinstance(value, bool) or not isinstance(value, int | float) or value % 1):
            raise UserError(f"{key} is {value!r}: give a whole number of environment steps.")
        if key in SWITCHES and not isinstance(value, bool):
            raise UserError(f"{key} is {value!r}: give true or false.")


def check_names(composed: DictConfig) -> None:
    """Raise UserError for a setting of one's own yaml that has an earlier name, or that nothing reads.

    A top-level setting is read if it is one of ours, or if another setting refers to it.
    """
    for old, new in renamed.SETTINGS.items():
        if OmegaConf.select(composed, old, throw_on_resolution_failure=False) is not None:
            raise UserError(f"{old} is now called {new}: rename it in your yaml.")
    unresolved = str(OmegaConf.to_container(composed, resolve=False))
    ours = _our_settings()
    for key in map(str, composed):
        if key not in ours and not re.search(rf"\$\{{[^}}]*\b{re.escape(key)}\b", unresolved):
            near = ", ".join(get_close_matches(key, ours, cutoff=0.0))
            raise UserError(f"there is no setting {key}, and no other setting refers to it; the nearest are {near}.")


@cache
def _our_settings() -> frozenset[str]:
    """The top-level settings of our configuration: those of config.yaml and its like, of global packages, and the groups."""
    root, found = files("rlhp.conf"), set()

    def walk(folder: Traversable, is_root: bool) -> None:
        for entry in folder.iterdir():
            if entry.is_dir():
                if is_root:
                    found.add(entry.name)
                walk(entry, False)
            elif entry.name.endswith(".yaml"):
                text = entry.read_text(encoding="utf-8")
                if is_root or text.startswith(GLOBAL):
                    found.update(map(str, yaml.safe_load(text) or {}))

    walk(root, True)
    return frozenset(found)


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all leaves, including those in lists."""
    if isinstance(node, Mapping | list):
        items = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, value in items:
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
