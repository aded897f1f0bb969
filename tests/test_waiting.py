"""What training says while it waits for people."""

from pathlib import Path

import pytest

from rlhp.store import Waiting
from rlhp.train.page import reason


@pytest.mark.parametrize(
    ("answered", "waiting", "said"),
    [
        (3, Waiting(7, 2, 0), "waiting: 3 of 10 first labels; start the page with rlhp annotate {run}"),
        (10, Waiting(7, 0, 5), "waiting for 7 answers until at most 5 are left; start the page with rlhp annotate {run}"),
        (10, Waiting(1, 0, 0), "waiting for 1 answer; start the page with rlhp annotate {run}"),
        (
            10,
            Waiting(4, 2, 5),
            "waiting for 4 answers until at most 5 are left (2 answers can still be undone); start the page with "
            "rlhp annotate {run}",
        ),
        (10, Waiting(0, 2, 0), "waiting: 2 answers can still be undone"),
    ],
)
def test_it_says_for_what(tmp_path: Path, answered: int, waiting: Waiting, said: str) -> None:
    assert reason(tmp_path, 10, lambda: answered)(waiting) == said.format(run=tmp_path)
