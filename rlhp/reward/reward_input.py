"""Which observation r-hat reads when it rewards the policy: the one before the action, or the one after it."""

from __future__ import annotations

from collections.abc import Callable

from rlhp.types import Array, Rollout, UserError

RewardInput = Callable[[Rollout], Array]  # -> the observations that networks read, [T, N, *O], including the axis of a stack


def before_action(rollout: Rollout) -> Array:
    """The observation before the action: r-hat(o_t, a_t), as in the paper."""
    return rollout.seen()


def after_action(rollout: Rollout) -> Array:
    """The observation after the action: r-hat(o_t+1, a_t).

    Comparisons of whole clips hardly determine the immediate effect of an action, so r-hat infers it from the next observation
    and rewards it one step late. Over an episode both sums are nearly equal. Where next observations are not recorded, as in
    clips, this is `before_action`.
    """
    return rollout.seen_after()


REWARD_INPUTS: dict[str, RewardInput] = {"obs": before_action, "next_obs": after_action}


def find(name: str) -> RewardInput:
    """The function with this name. Raises UserError if there is none."""
    if name not in REWARD_INPUTS:
        raise UserError(f"there is no reward_input {name!r}; choose one of {', '.join(REWARD_INPUTS)}.")
    return REWARD_INPUTS[name]
