"""Comparisons of other people's files: read by column, checked row by row, and imported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from rlhp import cli
from rlhp.answers import load, parsed
from rlhp.answers.layouts import find
from rlhp.answers.pairs import read
from rlhp.store import Source, Store, labels
from rlhp.types import Answer, Segment, UserError

ROWS, LENGTH = 4, 3
RNG = np.random.default_rng(3)
OBS = RNG.normal(size=(2, ROWS, LENGTH, 2)).astype(np.float32)  # of the left segments, and of the right ones
ACT = RNG.normal(size=(2, ROWS, LENGTH, 1)).astype(np.float32)
RANKS = [(0, 1), (1, 0), (0, 0), (0, 1)]  # what was said: left, right, equal, left
NAMED = {"left.obs": "a", "left.act": "b", "right.obs": "c", "right.act": "d", "label": "e"}
COLUMNS = ",".join(f"{role}={column}" for role, column in NAMED.items())


def ipl(path: Path, **change: Any) -> Path:
    """A file as of Inverse Preference Learning: 1 prefers the second segment."""
    arrays = {"obs_1": OBS[0], "obs_2": OBS[1], "action_1": ACT[0], "action_2": ACT[1], "label": np.array([0, 1, 0.5, 0])}
    np.savez(path / "ipl.npz", **{**arrays, **change})
    return path / "ipl.npz"


def transformer(path: Path) -> Path:
    one_hot = np.array([[1, 0], [0, 1], [0.5, 0.5], [1, 0]])
    names = {"observations": OBS[0], "observations_2": OBS[1], "actions": ACT[0], "actions_2": ACT[1], "labels": one_hot}
    np.savez(path / "pt.npz", **names, timestep_1=np.zeros((ROWS, LENGTH)))
    return path / "pt.npz"


def people(path: Path) -> Path:
    """The same with labels as people gave them: 0 the first, 1 the second, -1 equal."""
    arrays = {"observations": OBS[0], "observations_2": OBS[1], "actions": ACT[0], "actions_2": ACT[1]}
    np.savez(path / "people.npz", **arrays, labels=np.array([0, 1, -1, 0]))
    return path / "people.npz"


def exported(path: Path) -> Path:
    assert cli.main(["import", str(path / "kept"), str(ipl(path))]) == 0
    assert cli.main(["export", str(path / "kept"), str(path / "ours.parquet")]) == 0
    return path / "ours.parquet"


def lines(path: Path) -> Path:
    rows = [
        {"segment_0": {"obs": a.tolist(), "act": b.tolist()}, "segment_1": {"obs": c.tolist(), "act": d.tolist()}, "label": mu}
        for a, b, c, d, mu in zip(OBS[0], ACT[0], OBS[1], ACT[1], [1, 0, 0.5, 1.0], strict=True)
    ]
    (path / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path / "lines.jsonl"


@pytest.mark.parametrize("make", [ipl, transformer, people, exported, lines])
def test_published_layouts_are_known(make: Callable[[Path], Path], tmp_path: Path) -> None:
    """Which side a label of 1 prefers differs between them; what is read does not."""
    if make is exported:
        pytest.importorskip("pyarrow")
    found = load(make(tmp_path))
    assert found.comparisons.ranks.tolist() == [list(ranks) for ranks in RANKS]
    left = found.comparisons.clips[found.comparisons.shown[:, 0]]
    assert np.allclose(left.obs, OBS[0]) and np.allclose(left.act, ACT[0])
    assert found.observation_space() == spaces.Box(-np.inf, np.inf, (2,), np.float32) and found.stack == 1
    assert found.action_space() == spaces.Box(-np.inf, np.inf, (1,), np.float32)
    assert not found.rewards and found.unsure == 0


def test_columns_are_named(tmp_path: Path) -> None:
    arrays = {"a": OBS[0], "b": ACT[0], "c": OBS[1], "d": ACT[1], "e": [1, 0, 0.5, 1], "annotator": ["x", "y", "y", "x"]}
    np.savez(tmp_path / "mine.npz", **arrays, r=np.ones((ROWS, LENGTH)))
    rewards = {"left.reward": "r", "right.reward": "r"}
    found = load(tmp_path / "mine.npz", {**parsed(COLUMNS), **rewards}, one="left")
    assert found.comparisons.ranks.tolist() == [list(ranks) for ranks in RANKS]
    assert found.annotator == ("x", "y", "y", "x") and found.rewards
    assert load(tmp_path / "mine.npz", NAMED, one="right").comparisons.ranks.tolist() == [[b, a] for a, b in RANKS]
    with pytest.raises(UserError, match=r"row 0 of .*: it is not known which segment a label of 1 prefers; .*--one left"):
        load(tmp_path / "mine.npz", NAMED)


def test_a_part_of_a_known_layout_may_have_another_name(tmp_path: Path) -> None:
    found = load(ipl(tmp_path, worker=np.array(["x", "y", "x", "x"])), {"annotator": "worker"})
    assert found.annotator == ("x", "y", "x", "x") and found.comparisons.ranks.tolist() == [list(ranks) for ranks in RANKS]


def test_what_nobody_could_tell_is_left_out(tmp_path: Path) -> None:
    assert load(ipl(tmp_path, label=np.array([0, -1, -1, 0]))).unsure == 2
    assert load(ipl(tmp_path, label=np.array([0, -1, -1, 0])), minus_one="equal").comparisons.ranks.tolist() == [
        [0, 1],
        [0, 0],
        [0, 0],
        [0, 1],
    ]


def test_whole_numbers_are_choices_and_bytes_are_images(tmp_path: Path) -> None:
    choices = np.array([[0, 1, 3], [1, 1, 1], [0, 0, 0], [2, 0, 1]])
    frames = RNG.integers(0, 256, (2, ROWS, LENGTH, 4, 5), dtype=np.uint8)
    found = load(ipl(tmp_path, action_1=choices, action_2=choices[..., np.newaxis], obs_1=frames[0], obs_2=frames[1]))
    assert found.action_space() == spaces.Discrete(4) and found.action_space(6) == spaces.Discrete(6)
    assert found.observation_space() == spaces.Box(0, 255, (4, 5), np.uint8)
    assert (found.comparisons.clips[found.comparisons.shown[:, 1]].obs == frames[1]).all()
    with pytest.raises(UserError, match="from 0 to 3, but discrete actions count from 0 to 2; raise actions=3"):
        found.action_space(3)
    with pytest.raises(UserError, match="these actions are vectors"):
        load(ipl(tmp_path)).action_space(2)


def test_frames_of_a_game_come_back_with_the_earlier_ones_that_networks_see(tmp_path: Path) -> None:
    """Of a store and of its export: three frames before the first action, of five steps."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    frames, acts = rng.integers(0, 256, (4, 3 + 5, 84, 84), dtype=np.uint8), rng.integers(0, 6, (4, 5))
    clips = [Segment(obs, act, np.ones(5, np.float32), None) for obs, act in zip(frames, acts, strict=True)]
    (tmp_path / "run").mkdir()
    store = Store(tmp_path / "run" / "preferences.sqlite")
    store.ask([(clips[0], clips[1]), (clips[2], clips[3])], 0)
    store.answer({0: Answer((0, 1)), 1: Answer((1, 0))})
    store.close()
    assert cli.main(["export", str(tmp_path / "run"), str(tmp_path / "said.parquet")]) == 0
    for source in (tmp_path / "run", tmp_path / "said.parquet"):
        found = load(source)
        assert found.stack == 4 and found.observation_space().shape == (84, 84)
        assert found.action_space() == spaces.Discrete(int(acts.max()) + 1)
        assert np.array_equal(found.comparisons.clips[found.comparisons.shown[:, 1]].obs, frames[[1, 3]])
        assert found.comparisons.ranks.tolist() == [[0, 1], [1, 0]]


def test_the_same_two_clips_are_one_question_whoever_answers_and_whatever_the_side(tmp_path: Path) -> None:
    swapped = {"obs_1": OBS[[0, 1], [0, 0]], "obs_2": OBS[[1, 0], [0, 0]], "action_1": ACT[[0, 1], [0, 0]]}
    file = ipl(tmp_path, **swapped, action_2=ACT[[1, 0], [0, 0]], label=np.array([0, 1]))
    found = load(file)
    assert found.comparisons.query.tolist() == [0, 0] and len(found.comparisons.clips) == 2
    assert cli.main(["import", str(tmp_path / "kept"), str(file)]) == 0
    rows = labels(tmp_path / "kept" / "preferences.sqlite")
    assert [(row.query, row.annotator, row.ranks, row.source) for row in rows] == [
        (0, "somebody", (0, 1), Source.IMPORT),
        (0, "somebody-2", (0, 1), Source.IMPORT),
    ], "the second says the same of the clips, seen from the other side"


@pytest.mark.parametrize(
    "change, said",
    [
        ({"obs_1": np.where(np.arange(ROWS)[:, None, None] == 2, np.nan, OBS[0])}, "row 2 of .*: obs_1 is not finite at step 0"),
        ({"action_2": np.where(np.arange(ROWS)[:, None, None] == 1, np.inf, ACT[1])}, "row 1 of .*: action_2 is not finite"),
        ({"label": np.array([0, 1, 0.7, 0])}, "row 2 of .*: the label 0.7 is not one of 1, 0 and 0.5"),
        ({"label": np.array([0, 1, 2, 0])}, "row 2 of .*: the label 2 is not one of"),
        ({"label": np.array([0, np.nan, 0, 0])}, "row 1 of .*: the label nan is not one of"),
        ({"label": np.array([[1, 0], [1, 1], [0, 1], [0, 1]])}, r"row 1 of .*: the label \[1 1\] is neither a number nor two"),
        ({"label": np.array(["left"] * 4)}, "row 0 of .*: the label left is neither"),
        ({"label": np.array([0, 1])}, "differ in their number of rows .*label has 2"),
        ({"action_1": ACT[0][:, :-1]}, "row 0 of .*: obs_1 has 3 observations and action_1 2 actions"),
        (
            {"obs_2": OBS[1][..., :1]},
            r"row 0 of .*: obs_2 has 3 steps of observations \(1,\) .* have 3 steps of observations \(2,\)",
        ),
        ({"obs_1": np.array([None] * 4)}, "no objects"),
        ({"obs_1": np.array([["a"] * LENGTH] * ROWS)}, "row 0 of .*: obs_1 does not hold numbers"),
        ({"label": np.full(ROWS, -1)}, "holds no comparison that prefers a clip"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        load(ipl(tmp_path, **change))


@pytest.mark.parametrize(
    "line, said",
    [
        ("{", "line 5 of .* is not JSON"),
        ("[1]", "line 5 of .* is not an object"),
        ('{"segment_0": {"obs": [[1, 2]], "act": [[1]]}}', "line 5 of .* has no segment_1.obs"),
        ('{"segment_0": {"obs": [[1, 2], [3]], "act": [[1]]}, "segment_1": {"obs": 0, "act": 0}, "label": 1}', "differ in size"),
        (
            '{"segment_0": {"obs": [[1, 2]], "act": [[1]]}, "segment_1": {"obs": [[1, 2]], "act": [[1]]}, "label": 1}',
            "line 5 of .*: segment_0.obs has 1 steps .* make all segments equal in length",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line: str, said: str, tmp_path: Path) -> None:
    file = lines(tmp_path)
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(UserError, match=said):
        load(file)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--columns", "left.obs=nope"], "has no column nope; its columns are action_1, action_2, label, obs_1, obs_2"),
        (["--columns", "left=obs_1"], "names no column; give ROLE=COLUMN"),
        (["--columns", "obs_1"], "names no column"),
    ],
)
def test_columns_that_are_not_there_are_named(words: list[str], said: str, tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["import", str(tmp_path / "kept"), str(ipl(tmp_path)), *words]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "kept").exists()


def test_an_unknown_layout_says_what_to_name() -> None:
    with pytest.raises(UserError, match=r"x has the columns a, b, which match no known layout; .* --columns left.obs=COLUMN"):
        find(["a", "b"], {}, source="x")


def test_a_file_of_another_kind_or_none(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_text("not at all")
    for name, said in (
        ("x.csv", "not one of .npz, .parquet, .jsonl"),
        ("y.npz", "there is no file"),
        ("x.npz", "is not an .npz file"),
    ):
        with pytest.raises(UserError, match=said):
            read(tmp_path / name)


def test_what_is_imported_can_be_looked_at_and_comes_back(tmp_path: Path, capsys: Any) -> None:
    """Into a folder of its own: a run's questions stay its own. What cannot be read leaves nothing behind."""
    file, kept = ipl(tmp_path), tmp_path / "kept"
    assert cli.main(["import", str(kept), str(file)]) == 0 and "a label of 1 prefers obs_2" in capsys.readouterr().out
    assert [row.ranks for row in labels(kept / "preferences.sqlite")] == RANKS
    assert cli.main(["answers", str(kept)]) == 0
    assert "somebody (imported)        4     2      1      1" in capsys.readouterr().out
    assert load(kept).digest != load(file).digest, "somebody has answered these"
    assert cli.main(["import", str(kept), str(file)]) == 2 and "contains its own clips" in capsys.readouterr().err
    bad = ipl(tmp_path, label=np.array([0, 1, 7, 0]))
    assert cli.main(["import", str(tmp_path / "new"), str(bad)]) == 2 and not (tmp_path / "new").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("tmp")]


def test_answers_of_ours_without_clips_cannot_be_fitted_to(tmp_path: Path) -> None:
    assert cli.main(["import", str(tmp_path / "kept"), str(ipl(tmp_path))]) == 0
    assert cli.main(["export", str(tmp_path / "kept"), str(tmp_path / "ours.jsonl")]) == 0
    with pytest.raises(UserError, match="without their clips; name the run"):
        load(tmp_path / "ours.jsonl")
    with pytest.raises(UserError, match="leave --columns"):
        load(tmp_path / "kept", NAMED)
