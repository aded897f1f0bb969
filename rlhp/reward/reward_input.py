"""The observation that r-hat judges a step by when it rewards the policy: the one before the action, or the one after it."""

from __future__ import annotations

from collections.abc import Callable

from rlhp.types import Array, Rollout, UserError

RewardInput = Callable[[Rollout], Array]  # -> what networks see, [T, N, *O], with the axis of a stack


def before_action(rollout: Rollout) -> Array:
    """Before the action: r-hat(o_t, a_t) as the paper writes it."""
    return rollout.seen()


def after_action(rollout: Rollout) -> Array:
    """After the action: r-hat(o_t+1, a_t).

    Comparisons of whole clips hardly tell what an action does at once, so an r-hat reads it off the next observation, and pays
    a step late. Over an episode both sum to much the same. Where nobody recorded what came after, as in clips, it is
    `before_action`.
    """
    return rollout.seen_after()


REWARD_INPUTS: dict[str, RewardInput] = {"obs": before_action, "next_obs": after_action}


def find(name: str) -> RewardInput:
    """The input of that name. Raises UserError if there is none."""
    if name not in REWARD_INPUTS:
        raise UserError(f"there is no reward_input {name!r}; choose one of {', '.join(REWARD_INPUTS)}.")
    return REWARD_INPUTS[name]
