"""People as teachers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rlhp.types import Answer, Query, Setup, UserError

AT_ONCE = 10  # maximum number of clips on the page


@dataclass(frozen=True, slots=True)
class Human:
    """People who answer at the page, which writes their answers to the store; this object returns no answers."""

    def check(self, setup: Setup) -> None:
        """Raises UserError if people cannot answer at the page."""
        clips = getattr(setup.query, "clips", 2)
        if setup.settings.get("page") is None:
            return  # answers are written to the store in another way
        if clips > AT_ONCE:
            raise UserError(
                f"people rank at most {AT_ONCE} clips at the page, and the queries of this run have {clips}; lower query.clips."
            )
        if setup.settings.get("film") is None:
            raise UserError(
                f"people need clips, and those of {setup.env.task} cannot be rendered: its yaml has no film; choose another env."
            )
        if getattr(setup.env, "filmed", None) == 0 and setup.env.states() is None:
            raise UserError(
                f"people need clips, and env.filmed=0 keeps no frames of {setup.env.task}; leave it out, or set it to 1 or more."
            )

    def __call__(self, queries: Sequence[Query], step: int) -> Mapping[int, Answer]:
        """No answers."""
        return {}
