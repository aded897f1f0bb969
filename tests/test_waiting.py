"""What training says while it waits for people."""

from pathlib import Path

import pytest

from rlhp.store import Waiting
from rlhp.train.page import reason


@pytest.mark.parametrize(
    ("answered", "waiting", "said"),
    [
        (3, Waiting(7, 2, 0), "waiting: 3 of 10 first labels; rlhp label {run} serves the page"),
        (10, Waiting(7, 0, 5), "waiting: 7 questions are unanswered, and at most 5 may be; rlhp label {run} serves the page"),
        (
            10,
            Waiting(4, 2, 5),
            "waiting: 4 questions are unanswered, the answers to 2 can still be undone, and at most 5 may be; "
            "rlhp label {run} serves the page",
        ),
        (10, Waiting(0, 2, 0), "waiting: the answers to 2 questions can still be undone, and are used in a moment"),
    ],
)
def test_it_says_for_what(tmp_path: Path, answered: int, waiting: Waiting, said: str) -> None:
    assert reason(tmp_path, 10, lambda: answered)(waiting) == said.format(run=tmp_path)
