"""A check for teachers that answer while training continues."""

from __future__ import annotations

from rlhp.types import Setup, UserError


def check_never_waits(setup: Setup) -> None:
    """Raises UserError if the loop would wait for the answers of a teacher that answers while training continues."""
    if setup.max_pending is not None:
        raise UserError("this teacher answers while training continues, so waiting would never end; set max_pending=null.")
