"""Checks the types of settings before anything is built from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

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
MINIMA = {"labels": 0, "clip_steps": 1, "seed": 0, "n_envs": 1}
SEEDS = 2**32  # limit of numpy's seeds
STEPS = ("total_steps", "checkpoint_every")  # may be floats, as 1e6
SWITCHES = ("video", "watched")


def check(settings: Mapping[str, Any]) -> None:
    """Raise UserError for the first setting with a wrong type, NaN, or a value out of range."""
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


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names and values of all leaves, including those in lists."""
    if isinstance(node, Mapping | list):
        items = node.items() if isinstance(node, Mapping) else enumerate(node)
        for key, value in items:
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node
