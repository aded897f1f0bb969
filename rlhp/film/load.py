"""Build the renderer of a run's clips from its settings, without Hydra, for the page."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from inspect import getattr_static
from typing import Any

from rlhp.film.mujoco import SCENES
from rlhp.types import Drawing, UserError

Node = Mapping[str, Any]
# By task: `film` settings for runs of versions in which environments did not name a renderer.
EARLIER: dict[str, Node] = {
    "point": {"_target_": "rlhp.film.Point"},
    **{robot: {"_target_": "rlhp.film.MuJoCo", "robot": robot} for robot in SCENES},
    "hopper_backflip": {"_target_": "rlhp.film.MuJoCo", "robot": "hopper"},
    "halfcheetah_one_leg": {"_target_": "rlhp.film.MuJoCo", "robot": "halfcheetah"},
}


def find(settings: Mapping[str, Any]) -> Drawing | None:
    """Build the renderer that a run's settings name as `film`; None if `film` is null, which means that clips cannot be drawn.

    Raises UserError if it cannot be built.
    """
    node = settings["film"] if "film" in settings else EARLIER.get(str(settings.get("task")))
    return None if node is None else _built(node)


def drawing(settings: Mapping[str, Any]) -> Drawing:
    """Build the renderer of a run's clips. Raises UserError if there is none, it cannot be built, or it does not work here."""
    found = find(settings)
    if found is None:
        raise UserError(undrawable(str(settings.get("task"))))
    found.check()
    return found


def undrawable(task: str) -> str:
    """Return the error message for a task without a renderer."""
    return (
        f"The clips of {task} cannot be drawn: its environment has no renderer; choose another environment, "
        "or set film to a class in its yaml."
    )


def _built(node: Any) -> Drawing:
    """Call `_target_`, the dotted name of a class or function, with the other keys."""
    target = node.get("_target_") if isinstance(node, Mapping) else None
    if not isinstance(target, str):
        raise UserError(f"film is {node!r}: give a mapping whose _target_ names the class that draws clips, or null.")
    make, given = _imported(target), {str(key): value for key, value in node.items() if not str(key).startswith("_")}
    try:
        made = make(**given)
    except UserError:
        raise
    except (TypeError, ValueError) as error:
        raise UserError(f"film cannot be built from these settings ({error}); check the values given for it.") from error
    # static: reading a property must not evaluate it
    if any(getattr_static(made, name, None) is None for name in ("fps", "dt", "check", "clip_renderer")):
        raise UserError(f"film is set to {target}, which lacks fps, dt, check or clip_renderer; implement rlhp.types.Drawing.")
    return made


def _imported(target: str) -> Any:
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError, ValueError) as error:  # ValueError: the name has no module
        raise UserError(f"film is set to {target}, but {error}; correct its name, or set PYTHONPATH to its folder.") from error
