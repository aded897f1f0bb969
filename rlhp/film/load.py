"""What draws the clips of a run, found by its settings alone: the page reads them without Hydra."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import getattr_static
from typing import Any

from rlhp.film.mujoco import SCENES
from rlhp.types import Drawing, UserError

Node = Mapping[str, Any]
# By task: settings of runs that were made before environments named what draws them.
EARLIER: dict[str, Node] = {
    "point": {"_target_": "rlhp.film.Point"},
    **{robot: {"_target_": "rlhp.film.MuJoCo", "robot": robot} for robot in SCENES},
    "hopper_backflip": {"_target_": "rlhp.film.MuJoCo", "robot": "hopper"},
    "halfcheetah_one_leg": {"_target_": "rlhp.film.MuJoCo", "robot": "halfcheetah"},
}


def find(settings: Mapping[str, Any]) -> Drawing | None:
    """What a run's settings name as `film`; None where that is null: nothing draws its clips.

    Raises UserError where it cannot be built.
    """
    node = settings["film"] if "film" in settings else EARLIER.get(str(settings.get("task")))
    return None if node is None else _built(node)


def drawing(settings: Mapping[str, Any]) -> Drawing:
    """What draws the clips of a run. Raises UserError where nothing does, it cannot be built, or this machine cannot draw."""
    found = find(settings)
    if found is None:
        raise UserError(undrawable(str(settings.get("task"))))
    found.check()
    return found


def undrawable(task: str) -> str:
    """What to tell people whose clips cannot be drawn."""
    return (
        f"The clips of {task} cannot be drawn: its environment names nothing that draws them; choose another one, "
        "or name a class as film in its yaml."
    )


def _built(node: Any) -> Drawing:
    """`_target_`, a class or a function by its dotted name, called with the other keys."""
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str):
        raise UserError(f"film is {node!r}: give a mapping whose _target_ names the class that draws clips, or null.")
    make, given = _imported(target), {str(key): value for key, value in node.items() if not str(key).startswith("_")}
    try:
        made = make(**given)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"film cannot be built from these settings ({error}); look at the values given for it.") from error
    if any(getattr_static(made, name, None) is None for name in ("fps", "dt", "check", "clip_renderer")):  # read: not asked
        raise UserError(f"film is set to {target}, which lacks fps, dt, check or clip_renderer; implement rlhp.types.Drawing.")
    return made


def _imported(target: str) -> Any:
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:  # ValueError: no module is named
        raise UserError(f"film is to be {target}, and {error}; correct its name, or set PYTHONPATH to its folder.") from error
