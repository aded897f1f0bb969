"""Files that are replaced as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlhp.atomic import replacing


def test_a_reader_sees_the_old_content_until_the_new_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("old")
    with replacing(file) as draft:
        draft.write_text("ne")
        assert file.read_text() == "old"
        draft.write_text("new")
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_content_and_no_draft(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("old")
    with pytest.raises(ValueError), replacing(file) as draft:
        draft.write_text("ne")
        raise ValueError
    assert file.read_text() == "old" and list(tmp_path.iterdir()) == [file]
