"""Which tasks have clips that can be drawn, and what draws them."""

from __future__ import annotations

from rlhp.film.draw import VIEWS, backend
from rlhp.types import UserError

FLAT = ("point",)  # observations are positions in the plane: `dots` draws them, without OpenGL


def drawable(task: str) -> bool:
    """Whether the clips of a task can be drawn, from its simulator's states or from its observations."""
    return task in FLAT or task in VIEWS


def check_drawable(task: str) -> None:
    """Raises UserError where the clips of this task cannot be drawn, or this machine lacks what draws them."""
    if not drawable(task):
        raise UserError(undrawable(task))
    if task not in FLAT:
        backend()


def undrawable(task: str) -> str:
    """What to tell people whose clips cannot be drawn."""
    return f"The clips of {task} cannot be drawn: its simulator's states are not recorded; label a MuJoCo task."
