"""Answers as data: files that travel, and what they tell of those who gave them, in numbers worked out by hand."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import comparing
import numpy as np
import pytest
from pages import LENGTH, Person, label, make_run, walk
from test_store import version_1

from rlhp import cli
from rlhp.answers import export_labels, import_labels, report, text
from rlhp.answers.kappa import cohen, fleiss
from rlhp.answers.numbers import agreements, people
from rlhp.run import locked_run
from rlhp.store import AnnotationQueue, Label, Reply, Source, Store, UndoWindow, labels, version_of
from rlhp.types import Answer, Segment, UserError

LEFT, RIGHT, EQUAL, UNSURE = (0, 1), (1, 0), (0, 0), None
Said = tuple[int, int] | None


def given(
    query: int,
    ranks: Said,
    who: str = "human:annotator-1",
    *,
    round: int = 0,
    swapped: bool = False,
    took: float = 2.0,
    source: Source = Source.HUMAN,
) -> Label:
    return Label(query, (f"a{query}", f"b{query}"), who, round, ranks, swapped, 100.0, 100.0 + took, None, source)


def said(who: str, ranks: list[Said]) -> list[Label]:
    return [given(query, each, f"human:{who}") for query, each in enumerate(ranks)]


def asked(path: Path, questions: int = 30) -> Path:
    """A run that asks about pairs, and then for a ranking of three clips."""
    run, rng = make_run(path, questions), np.random.default_rng(9)
    store = Store(run / "preferences.sqlite")
    store.ask([(walk(rng), walk(rng), walk(rng))], 7)
    store.close()
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two people, overlapping and repeating; a program has ranked; some answers are taken."""
    run = asked(tmp_path / "from")
    store = Store(run / "preferences.sqlite", rest=UndoWindow(0))
    store.answer({30: Answer((2, 0, 0))})
    desk = AnnotationQueue(store.database, overlap=2, repeats=0.2)
    for i in range(40):
        by = ("annotator-1", "annotator-2")[i % 2]
        (pair,) = desk.assign(by, 1, lambda names: len(names) == 2)
        said = ("left", "right", "equal", "unsure")[i % 4 if i % 3 else 0]
        desk.answer(by, Reply(pair.query, pair.round, pair.clips, said, 1 + i / 7))
        if i == 25:
            store.collect(320)
    store.close()
    return run


def dump(run: Path) -> list[str]:
    with sqlite3.connect(run / "preferences.sqlite") as db:
        return list(db.iterdump())


# there and back


def test_a_round_trip_is_exact(run: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "labels.jsonl", asked(tmp_path / "to")
    before = dump(run)
    assert cli.main(["export", str(run), str(file)]) == 0
    assert dump(run) == before and dump(other) != before
    assert cli.main(["import", str(other), str(file)]) == 0
    assert dump(other) == [row.replace("'synthetic')", "'import')") for row in before], (
        "every row of every table, digit for digit"
    )
    again = tmp_path / "again.jsonl"
    export_labels(other, again)
    assert again.read_bytes() == file.read_bytes().replace(b'"source": "synthetic"', b'"source": "import"')
    assert {row.taken_step for row in labels(other / "preferences.sqlite")} == {320, None}
    assert {row.round for row in labels(other / "preferences.sqlite")} == {0, 1}
    one, two = (Store(path / "preferences.sqlite").collect(999) for path in (run, other))
    assert np.array_equal(one.query, two.query) and np.array_equal(one.ranks, two.ranks)
    assert np.array_equal(comparing.left(one).obs, comparing.left(two).obs)


def test_a_line_is_an_answer(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    assert export_labels(run, file) == f"41 answers of {run} are in {file}"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    keys = ["annotator", "answered_at", "clips", "flagged", "kind", "query", "ranks", "rating", "round", "shown_at", "source"]
    keys += ["swapped", "taken_step"]
    assert all(list(row) == keys for row in rows)
    assert [(row["query"], row["annotator"], row["round"]) for row in rows] == sorted(
        (row["query"], row["annotator"], row["round"]) for row in rows
    )
    assert rows[-1] | {"answered_at": 0, "clips": []} == {
        **{"annotator": "synthetic", "answered_at": 0, "clips": [], "query": 30, "ranks": [2, 0, 0]},
        **{"round": 0, "shown_at": None, "source": "synthetic", "swapped": False, "taken_step": 320},
        **{"kind": "ranking", "rating": None, "flagged": False},
    }


def test_what_is_imported_outlives_the_run_that_goes_back(run: Path, tmp_path: Path) -> None:
    """Whatever name it is under, and whoever gave it there; what the run's own teacher says later does not."""
    file, other = tmp_path / "labels.jsonl", asked(tmp_path / "to")
    export_labels(run, file)
    file.write_text(file.read_text().replace("human:annotator-2", "somebody"))
    import_labels(other, file)
    store = Store(other / "preferences.sqlite")
    store.answer({query.id: Answer((0, 1)) for query in store.unanswered()})
    before = len(labels(store.path))
    store.collect(500)
    store.restore(0)
    left = labels(store.path)
    assert before > len(left) == 41 and all(label.taken_step is None for label in left)
    assert {(label.annotator, label.source) for label in left} == {
        ("human:annotator-1", Source.HUMAN),
        ("somebody", Source.HUMAN),
        ("synthetic", Source.IMPORT),
    }


def test_a_file_of_an_older_version_is_imported(run: Path, tmp_path: Path) -> None:
    """Its names tell whether a person answered."""
    file, old = tmp_path / "labels.jsonl", tmp_path / "old.jsonl"
    export_labels(run, file)
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    newer = ("source", "kind", "rating", "flagged")
    old.write_text("".join(json.dumps({key: row[key] for key in row if key not in newer}) + "\n" for row in rows))
    for number, source in enumerate((file, old)):
        import_labels(asked(tmp_path / str(number)), source)
    assert labels(tmp_path / "0/preferences.sqlite") == labels(tmp_path / "1/preferences.sqlite")


def test_importing_twice_changes_nothing(run: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "labels.jsonl", asked(tmp_path / "to")
    export_labels(run, file)
    assert import_labels(other, file) == f"41 answers of {file} are in {other}, 41 of them new"
    before = dump(other)
    assert import_labels(other, file) == f"41 answers of {file} are in {other}, 0 of them new" and dump(other) == before


def test_the_step_at_which_this_run_took_an_answer_stands(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "labels.jsonl"
    export_labels(run, file)
    Store(run / "preferences.sqlite", rest=UndoWindow(0)).collect(640)
    before = dump(run)
    assert "0 of them new" in import_labels(run, file) and dump(run) == before


def test_other_questions_are_refused_and_nothing_is_written(run: Path, tmp_path: Path, capsys) -> None:
    file = tmp_path / "labels.jsonl"
    export_labels(run, file)
    fewer, others = make_run(tmp_path / "fewer", questions=30), asked(tmp_path / "others", questions=29)
    for other, reason in ((fewer, "Query 30 is not in"), (others, "Query 29 has other clips or another kind in")):
        before = dump(other)
        assert cli.main(["import", str(other), str(file)]) == 2
        err = capsys.readouterr().err
        assert reason in err and "has the same queries" in err and len(err.splitlines()) == 1 and dump(other) == before


def test_another_answer_is_refused(run: Path, tmp_path: Path) -> None:
    file, other = tmp_path / "labels.jsonl", asked(tmp_path / "to")
    export_labels(run, file)
    lines = file.read_text().splitlines()
    row = json.loads(lines[-2])
    file.write_text("\n".join([*lines, json.dumps(row | {"answered_at": row["answered_at"] + 1})]))
    before = dump(other)
    with pytest.raises(UserError, match=f"{row['annotator']} has another answer to query {row['query']}"):
        import_labels(other, file)
    assert dump(other) == before


def test_a_run_in_training_is_refused(run: Path, tmp_path: Path) -> None:
    export_labels(run, tmp_path / "labels.jsonl")
    with locked_run(run), pytest.raises(UserError, match="is being trained: stop"):
        import_labels(run, tmp_path / "labels.jsonl")


def test_a_store_of_version_1_is_exported_and_stays(tmp_path: Path) -> None:
    old = version_1(tmp_path / "new.sqlite").rename(tmp_path / "preferences.sqlite")
    export_labels(tmp_path, tmp_path / "labels.jsonl")
    assert version_of(old) == 1
    assert labels(old) == labels(tmp_path / "new.sqlite") and len(labels(old)) == 3


GOOD: dict[str, Any] = {
    **{"annotator": "human:annotator-1", "answered_at": 2.5, "clips": ["a", "b"], "query": 0, "ranks": [0, 1], "round": 0},
    **{"shown_at": 1.5, "source": "human", "swapped": False, "taken_step": None},
    **{"kind": "comparison", "rating": None, "flagged": False},
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("annotator", value) for value in ("", None, 1, "a\nb", "\x1b[2J", "a" * 81)],
        *[("answered_at", value) for value in (None, "x", True, float("inf"), float("nan"), 3)],
        *[("clips", value) for value in (None, "ab", [], ["a"], ["a", 1])],
        *[(key, value) for key in ("query", "round") for value in (None, -1, 1.0, True, 2**63, "0")],
        *[("ranks", value) for value in ([0], [0, 1, 2], "01", [0, 1.5], [0, -1], [0, None], 1)],
        *[("swapped", value) for value in (0, 1, None)],
        *[("flagged", value) for value in (0, None)],
        *[("kind", value) for value in ("", None, "guess", "rating")],
        *[("rating", value) for value in (0.5, 1, 2.0, "x", True)],
        *[("taken_step", value) for value in (-1, 1.5, "x", True)],
        *[("source", value) for value in ("", "page", None, 1, [])],
        *[("shown_at", value) for value in ("x", float("-inf"))],
        ("more", 1),
    ],
)
def test_what_is_no_answer_is_named_with_its_line(key: str, value: Any, tmp_path: Path) -> None:
    run, file = make_run(tmp_path / "run", questions=1), tmp_path / "labels.jsonl"
    file.write_text("\n" + json.dumps(GOOD | {key: value}) + "\n")
    with pytest.raises(
        UserError, match=f"Line 2 of .* is not an answer: .*({key if key in GOOD else 'keys'}|rank every|answer a|not both)"
    ):
        import_labels(run, file)
    assert labels(run / "preferences.sqlite") == []


@pytest.mark.parametrize("line", [b"{", b"[" * 100_000, b"\xff\xfe", b'{"query": ' + b"9" * 5000 + b"}", b"[]", b"1"])
def test_what_is_no_line(line: bytes, tmp_path: Path, capsys) -> None:
    run = make_run(tmp_path / "run", questions=1)
    (tmp_path / "labels.jsonl").write_bytes(line)
    assert cli.main(["import", str(run), str(tmp_path / "labels.jsonl")]) == 2
    err = capsys.readouterr().err
    assert "labels.jsonl" in err and len(err.splitlines()) == 1


def test_a_repeat_is_never_taken(run: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.jsonl").write_text(json.dumps(GOOD | {"round": 1, "taken_step": 5}))
    with pytest.raises(UserError, match="taken_step should be null"):
        import_labels(run, tmp_path / "labels.jsonl")


@pytest.mark.parametrize(
    ("out", "reason"),
    [("labels.csv", ".parquet"), ("labels", "--parquet"), ("no/x.jsonl", "no folder"), ("full.jsonl", "another")],
)
def test_where_it_cannot_be_written(out: str, reason: str, run: Path, tmp_path: Path) -> None:
    (tmp_path / "full.jsonl").mkdir()
    with pytest.raises(UserError, match=reason):
        export_labels(run, tmp_path / out)
    assert {path.name for path in tmp_path.iterdir()} == {"from", "full.jsonl"}


def test_a_file_that_is_not_there(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        import_labels(run, tmp_path / "labels.jsonl")
    with pytest.raises(UserError, match="no preference store"):
        import_labels(tmp_path, tmp_path / "labels.jsonl")
    assert not (tmp_path / "preferences.sqlite").exists()


# Parquet


def test_pairs_for_offline_learners(run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    shapes = make_run(tmp_path / "run", questions=4)
    store = Store(shapes / "preferences.sqlite")
    asked = store.unanswered()
    store.answer({0: Answer(LEFT), 1: Answer(RIGHT), 2: Answer(EQUAL), 3: Answer(UNSURE)}, "human:annotator-1", Source.HUMAN)
    assert cli.main(["export", str(shapes), str(tmp_path / "labels.parquet")]) == 0
    table = parquet.read_table(tmp_path / "labels.parquet")
    assert table.column_names == ["segment_0", "segment_1", "label"] and table["label"].to_pylist() == [1.0, 0.0, 0.5]
    assert str(table.schema.field("segment_0").type) == (
        "struct<obs: list<element: list<element: float>>, act: list<element: list<element: float>>>"
    )
    for column, there in zip(("segment_0", "segment_1"), asked[1].clips, strict=True):
        row = table[column][1].as_py()
        assert len(row["obs"]) == len(row["act"]) == LENGTH
        assert np.array_equal(np.array(row["obs"], np.float32), there.obs) and np.array_equal(np.float32(row["act"]), there.act)


def test_images_are_bytes_of_a_frame_each(tmp_path: Path) -> None:
    """Clips of two steps with one frame of history."""
    parquet = pytest.importorskip("pyarrow.parquet")
    rng, act, reward = np.random.default_rng(0), np.array([3, 0]), np.zeros(2, np.float32)
    clips = [Segment(rng.integers(0, 256, (3, 4, 6), np.uint8), act, reward, np.zeros((1, 8), np.uint8)) for _ in range(2)]
    store = Store(tmp_path / "preferences.sqlite")
    store.ask([tuple(clips)], 0)
    store.answer({0: Answer(LEFT)}, "human:annotator-1", Source.HUMAN)
    store.close()
    export_labels(tmp_path, tmp_path / "labels.parquet")
    table = parquet.read_table(tmp_path / "labels.parquet")
    shape = json.loads(table.schema.metadata[b"obs_shape"])
    assert shape == [4, 6] and table.schema.metadata[b"obs_dtype"] == b"uint8"
    for column, clip in zip(("segment_0", "segment_1"), clips, strict=True):
        row = table[column][0].as_py()
        frames = np.frombuffer(b"".join(row["obs"]), np.uint8).reshape(-1, *shape)
        assert np.array_equal(frames, clip.obs) and row["act"] == [3, 0]


def test_repeats_and_other_lengths(run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "pairs"
    export_labels(run, out, ".parquet")
    once = [row for row in labels(run / "preferences.sqlite") if row.round == 0 and row.ranks is not None]
    wanted = [mu for row in once for _, _, mu in row.answer().pairs()]
    assert parquet.read_table(out)["label"].to_pylist() == wanted and wanted[-3:] == [0.0, 0.0, 0.5]


def rated_run(path: Path) -> Path:
    """A run that asks for ratings: of three answers the second was taken back, and the fourth could not be told."""
    run = make_run(path, questions=4, clips=1, feedback="rating")
    store = Store(run / "preferences.sqlite", rest=UndoWindow(0))
    desk = AnnotationQueue(store.database)
    for value in (0.25, 0.75, 1, "unsure"):
        (shown,) = desk.assign("annotator-1", 1)
        desk.answer("annotator-1", Reply(shown.query, 0, shown.clips, value, 1.0))
    desk.flag("annotator-1", 2, 0, True)
    store.close()
    return run


def test_ratings_go_there_and_back(tmp_path: Path) -> None:
    run, other = rated_run(tmp_path / "from"), make_run(tmp_path / "to", questions=4, clips=1, feedback="rating")
    file = tmp_path / "labels.jsonl"
    assert export_labels(run, file).startswith("3 answers of") and "0.75" not in file.read_text()
    assert cli.main(["export", str(run), str(file), "--flagged"]) == 0
    assert import_labels(other, file).endswith("4 of them new")
    given = labels(other / "preferences.sqlite")
    assert given == labels(run / "preferences.sqlite")
    assert [(label.rating, label.flagged) for label in given] == [(None, False), (1.0, False), (0.75, True), (0.25, False)]


def test_ratings_for_offline_learners(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = rated_run(tmp_path / "run")
    assert cli.main(["export", str(run), str(tmp_path / "labels.parquet")]) == 0
    table = parquet.read_table(tmp_path / "labels.parquet")
    assert table.column_names == ["segment", "rating"] and table["rating"].to_pylist() == [1.0, 0.25]
    assert len(table["segment"][0].as_py()["obs"]) == LENGTH


def test_grades_for_offline_learners(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run = make_run(tmp_path / "run", questions=2, feedback="graded_comparison")
    store = Store(run / "preferences.sqlite")
    store.answer({0: Answer((0, 2)), 1: Answer((1, 0))})
    store.close()
    export_labels(run, tmp_path / "labels.parquet")
    table = parquet.read_table(tmp_path / "labels.parquet")
    assert table["label"].to_pylist() == [1.0, 0.0] and table["much"].to_pylist() == [True, False]


def test_nothing_to_compare_yet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with pytest.raises(UserError, match="no comparison yet"):
        export_labels(make_run(tmp_path / "run", questions=2), tmp_path / "x.parquet")


def test_without_pyarrow(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'rlhp\[parquet\]'"):
        export_labels(run, tmp_path / "x.parquet")
    assert not list(tmp_path.glob("x*"))


# agreement


def test_cohens_kappa_by_hand() -> None:
    """Observed 7 / 10; by chance (5 * 5 + 3 * 4 + 2 * 1) / 100 = 0.39."""
    pytest.importorskip("statsmodels")
    first = [LEFT] * 5 + [RIGHT] * 3 + [EQUAL] * 2
    second = [LEFT] * 4 + [RIGHT] + [LEFT] + [RIGHT] * 2 + [RIGHT, EQUAL]
    (found,) = agreements(
        [*said("annotator-1", [*first, UNSURE]), *said("annotator-2", [*second, LEFT]), *said("annotator-3", [])]
    )
    assert (found.who, found.questions, found.same) == (("human:annotator-1", "human:annotator-2"), 10, 0.7)
    assert found.kappa == pytest.approx((0.7 - 0.39) / (1 - 0.39))


def test_fleiss_kappa_by_hand() -> None:
    """P = (1 + 1 + 1 + 1/3 + 1/3) / 5 = 11/15; by chance 0.6^2 + 0.4^2 = 0.52."""
    pytest.importorskip("statsmodels")
    first, second = [LEFT, LEFT, RIGHT, LEFT, LEFT], [LEFT, LEFT, RIGHT, LEFT, RIGHT]
    third = [LEFT, LEFT, RIGHT, RIGHT, RIGHT]
    extra = [
        given(9, LEFT),
        given(9, LEFT, "synthetic", source=Source.SYNTHETIC),
        given(10, LEFT),
        given(10, RIGHT, "human:annotator-2"),
    ]
    *pairs, found = agreements([*said("annotator-1", first), *said("annotator-2", second), *said("annotator-3", third), *extra])
    assert [tuple(name[-1] for name in pair.who) for pair in pairs] == [("1", "2"), ("1", "3"), ("2", "3")]
    assert (found.each, found.questions, len(found.who)) == (3, 5, 3)
    assert found.same == pytest.approx(11 / 15) and found.kappa == pytest.approx((11 / 15 - 0.52) / 0.48)


def test_where_kappa_says_nothing() -> None:
    assert np.isnan(cohen(np.diag([9, 0, 0]))) and np.isnan(fleiss(np.array([[3, 0, 0]] * 6)))
    (few,) = agreements([*said("annotator-1", [LEFT, RIGHT, LEFT, EQUAL]), *said("annotator-2", [LEFT, RIGHT, LEFT, EQUAL])])
    assert few.questions == 4 and np.isnan(few.kappa) and np.isnan(few.same), "four are too few"
    assert (
        agreements(said("annotator-1", [LEFT] * 9)) == []
        and agreements([given(0, LEFT), given(1, LEFT, "human:annotator-2")]) == []
    )


def test_kappa_without_its_library(run: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr("rlhp.answers.kappa.find_spec", lambda name: None)
    assert cli.main(["answers", str(run)]) == 0
    out = capsys.readouterr().out
    assert out.count("pip install 'rlhp[labels]'") == 1 and "left share" in out, "the rest needs no library"


# each annotator


def test_counts_are_of_sides_as_they_were_shown() -> None:
    answers = [
        *(given(query, LEFT) for query in range(3)),
        given(3, LEFT, swapped=True),
        *(given(query, RIGHT) for query in (4, 5)),
        *(given(query, RIGHT, swapped=True) for query in (6, 7)),
        *(given(8, EQUAL), given(9, UNSURE)),
        given(0, RIGHT, round=1, swapped=True),
    ]
    (row,) = people(answers, {f"{side}{query}": 0.0 for side in "ab" for query in range(10)})
    assert (row.answers, row.left, row.right, row.equal, row.unsure, row.repeats) == (10, 5, 3, 1, 1, 1)
    assert row.left_share == 5 / 8 and np.isnan(row.true), "where all returns are tied there is no truth to agree with"


def test_consistency_is_of_repeats() -> None:
    first = [LEFT, RIGHT, EQUAL, LEFT, LEFT, UNSURE, LEFT]
    again = [LEFT, RIGHT, EQUAL, LEFT, RIGHT, LEFT, UNSURE]
    answers = [*said("annotator-1", first), *(given(q, ranks, round=1, swapped=True) for q, ranks in enumerate(again))]
    (row,) = people(answers, {f"{side}{query}": 0.0 for side in "ab" for query in range(7)})
    assert row.repeats == 7 and row.consistent == 4 / 5, "those who could not tell, then or now, are left out"


def rating(query: int, value: float, kind: str = "rating", who: str = "annotator-1", round: int = 0) -> Label:
    return Label(query, (f"a{query}",), f"human:{who}", round, None, False, 1.0, 2.0, None, Source.HUMAN, kind, value)


def test_consistency_of_ratings_and_rankings() -> None:
    """Ratings that differ by less than 0.1 say the same; of a ranking of three, two pairs of three do."""
    first = [rating(query, value) for query, value in enumerate((0.2, 0.5, 0.9, 0.1, 1.0))]
    again = [rating(query, value, round=1) for query, value in enumerate((0.25, 0.65, 0.9, 0.11, 0.8))]
    (row,) = people([*first, *again], {f"a{query}": 0.0 for query in range(5)})
    assert (row.ratings, row.repeats, row.consistent) == (5, 5, 3 / 5)

    def order(query: int, ranks: tuple[int, ...], round: int) -> Label:
        return replace(given(query, ranks, round=round), clips=("a", "b", "c"), kind="ranking")

    rankings = [order(query, (0, 1, 2), 0) for query in range(5)] + [order(query, (0, 2, 1), 1) for query in range(5)]
    (row,) = people(rankings, {"a": 0.0, "b": 0.0, "c": 0.0})
    assert row.rankings == 5 and row.consistent == pytest.approx(2 / 3)


def test_cohens_kappa_of_good_and_bad() -> None:
    """Observed 4 / 5; by chance (3 * 2 + 2 * 3) / 25 = 0.48. What ratings say is no category."""
    pytest.importorskip("statsmodels")
    first = [rating(query, value, "good_bad") for query, value in enumerate((1.0, 1.0, 1.0, 0.0, 0.0))]
    second = [rating(query, value, "good_bad", "annotator-2") for query, value in enumerate((1.0, 1.0, 0.0, 0.0, 0.0))]
    (found,) = agreements([*first, *second])
    assert found.same == 0.8 and found.kappa == pytest.approx((0.8 - 0.48) / 0.52)
    assert agreements([replace(label, kind="rating") for label in (*first, *second)]) == []


def test_graded_comparisons_are_judged_by_their_side() -> None:
    answers = [replace(given(query, (0, 2)), kind="graded_comparison") for query in range(3)]
    (row,) = people([*answers, replace(given(3, (1, 0)), kind="graded_comparison")], dict.fromkeys("ab", 0.0) | RETURNS)
    assert (row.left, row.right, row.equal) == (3, 1, 0)


RETURNS = {f"{side}{query}": 0.0 for side in "ab" for query in range(9)}


def test_times() -> None:
    """Of 1 to 11 seconds the middle is 6, and 90 % of the way from 1 to 11 is 10."""
    (row,) = people([given(q, UNSURE, took=q + 1.0) for q in range(11)], {})
    assert (row.median, row.p90) == pytest.approx((6.0, 10.0))
    (row,) = people([given(q, UNSURE) for q in range(4)], {})
    assert np.isnan(row.median) and np.isnan(row.p90)


def test_agreement_with_the_true_reward() -> None:
    returns = {f"a{query}": 1.0 for query in range(8)} | {f"b{query}": 0.0 for query in range(6)} | {"b6": 1.0, "b7": 2.0}
    (row,) = people(said("annotator-1", [LEFT, LEFT, LEFT, RIGHT, EQUAL, UNSURE, LEFT, RIGHT]), returns)
    assert row.true == 4 / 5, "three right of four, a tie, nothing said, equal returns, and right where the second is better"


# the table


def test_the_table(run: Path, capsys) -> None:
    assert cli.main(["answers", str(run)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    repeats = sum(row.round > 0 for row in labels(run / "preferences.sqlite"))
    questions = len({row.query for row in labels(run / "preferences.sqlite")})
    assert head == f"from: {41 - repeats} answers to {questions} questions, and {repeats} repeats" and repeats > 0
    assert lines[1].split()[:4] == ["annotator", "answers", "left", "right"] and "rankings" in lines[1]
    assert [line.split()[0] for line in lines[2:5]] == ["annotator-1", "annotator-2", "synthetic"] and len(
        {*map(len, lines[1:5])}
    ) == 1
    assert lines[4].split()[:8] == ["synthetic", "(program)", "1", "0", "0", "0", "0", "1"] and lines[4].count("–") == 5
    assert lines[6].split() == ["between", "questions", "same", "kappa"] and lines[7].startswith("annotator-1, annotator-2")


READS_CLIPS, READS_NONE = [["answers"], ["export", "out.parquet"]], [["export", "out.jsonl"], ["import", "in.jsonl"]]
ROWS = ["UPDATE answer SET ranks = '[0'", "ALTER TABLE answer RENAME COLUMN ranks TO said"]


@pytest.mark.parametrize(
    ("damage", "command"),
    [*product(ROWS, READS_CLIPS + READS_NONE), *product(["UPDATE segment SET arrays = x'00'"], READS_CLIPS)],
)
def test_a_damaged_store_is_a_sentence(
    run: Path, tmp_path: Path, damage: str, command: list[str], capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.jsonl").write_text("")
    with sqlite3.connect(run / "preferences.sqlite") as db:
        db.execute(damage)
    db.close()
    assert cli.main([command[0], str(run), *command[1:]]) == 2
    err = capsys.readouterr().err
    assert "preferences.sqlite is not a preference store, or it is damaged" in err and len(err.splitlines()) == 1
    assert not list(tmp_path.glob("out.*"))


def test_one_answer_is_no_plural(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    Store(run / "preferences.sqlite").answer({0: Answer(LEFT)}, "human:annotator-1", Source.HUMAN)
    assert report(run).head == "run: 1 answer to 1 question"


def test_no_answers_yet(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    assert text(report(run)) == "run: no answers yet"


def test_the_page_shows_the_same_table(run: Path) -> None:
    with label(run) as page:
        person = Person(page, "annotator-1")
        client, found = person.client, report(run)
        shown = client.get("/api/labels").raise_for_status().json()
        assert shown["head"] == found.head and shown["notes"] == list(found.notes)
        assert [(t["title"], t["columns"], t["rows"]) for t in shown["tables"]] == [
            (table.title, list(table.columns), [list(row) for row in table.rows]) for table in found.tables
        ]
        html = client.get("/labels").raise_for_status()
        assert 'src="static/labels.js"' in html.text and "script-src 'self'" in html.headers["content-security-policy"]
