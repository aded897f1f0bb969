"""Durations as text."""

import pytest

from rlhp.durations import duration


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.6, "1 min"),
        (65, "1 min 5 s"),
        (3599.6, "1 h"),
        (3905, "1 h 5 min"),
        (90_000, "25 h"),
        (float("nan"), "-"),
        (float("inf"), "-"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text
