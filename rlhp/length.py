"""Settings that follow the length of a run: one rule each, for what a short run cannot afford.

Recipes are made for 1,000,000 environment steps. Each rule leaves its value there and in longer runs, and reduces it in shorter
ones; `experiments/recipes` has the evidence. A yaml uses a rule in place of a number, and a number overrides it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

MADE_FOR = 1_000_000  # environment steps of the recipes


def discount(longest: float, total_steps: int) -> float:
    """The discount gamma whose horizon, 1 / (1 - gamma), is a thousandth of the run, from 100 steps to that of `longest`."""
    return _within(longest, max(100.0, total_steps / 1000))


def trace(longest: float, total_steps: int) -> float:
    """The lambda of generalised advantage estimation: a horizon of a 5000th of the run, from 20 steps to that of `longest`."""
    return _within(longest, max(20.0, total_steps / 5000))


def shift(level: float, total_steps: int) -> float:
    """The level of a reward shift, in proportion to the run's length up to MADE_FOR."""
    return level * min(1.0, total_steps / MADE_FOR)


def segments_per_label(most: float, total_steps: int, clip_steps: int) -> float:
    """Segments to wait for per label: as many as six ten-thousandths of the run contain, from 1 to `most`.

    The initial labels are asked about the untrained policy, which learns nothing meanwhile: 88 of 350 labels take at most 5 % of
    the run.
    """
    return min(most, max(1.0, 0.0006 * total_steps / clip_steps))


RULES = {f"{__name__}.{rule.__name__}": rule for rule in (discount, trace, shift, segments_per_label)}


def value(setting: Any) -> Any:
    """The value of a resolved setting: that of its rule, if it has one, or itself."""
    if not _is_rule(setting):
        return setting
    return RULES[setting["_target_"]](**{key: given for key, given in setting.items() if key != "_target_"})


def rules(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The dotted names and the values of all resolved settings that have a rule."""
    for key, node in settings.items():
        if _is_rule(node):
            yield prefix + key, value(node)
        elif isinstance(node, Mapping):
            yield from rules(node, f"{prefix}{key}.")


def _is_rule(setting: Any) -> bool:
    return isinstance(setting, Mapping) and setting.get("_target_") in RULES


def _within(longest: float, horizon: float) -> float:
    return min(longest, 1 - 1 / horizon)
