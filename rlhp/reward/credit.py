"""The observation that r-hat judges a step by when it rewards the policy: the one before the action, or the one after it."""

from __future__ import annotations

from collections.abc import Callable

from rlhp.types import Array, Rollout, UserError

Credit = Callable[[Rollout], Array]  # -> what networks see, [T, N, *O], with the axis of a stack


def departure(rollout: Rollout) -> Array:
    """Before the action: r-hat(o_t, a_t) as the paper writes it."""
    return rollout.seen()


def arrival(rollout: Rollout) -> Array:
    """After the action: r-hat(o_t+1, a_t).

    Comparisons of whole clips hardly tell what an action does at once, so an r-hat reads it off the next observation, and pays
    a step late. Over an episode both sum to much the same. Where nobody recorded what came after, as in clips, it is
    `departure`.
    """
    return rollout.seen_after()


CREDITS: dict[str, Credit] = {"departure": departure, "arrival": arrival}


def find(name: str) -> Credit:
    """The credit of that name. Raises UserError if there is none."""
    if name not in CREDITS:
        raise UserError(f"there is no credit {name!r}; choose one of {', '.join(CREDITS)}.")
    return CREDITS[name]
