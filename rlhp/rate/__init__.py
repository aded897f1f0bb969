"""`rlhp rate`: Elo ratings of policies, from stored answers or a scripted teacher's answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlhp.answers import Report, Table, text
from rlhp.csv_records import write_csv
from rlhp.rate import stored
from rlhp.rate.games import Player, Scores, play, teacher_of
from rlhp.rating import Ratings, groups, rate
from rlhp.types import UserError

COLUMNS = ("policy", "elo", "low", "high", "games", "score")
Row = tuple[str, float, float, float, float, float]


def report(
    runs: Sequence[Path],
    teacher: str | None = None,
    out: Path | None = None,
    *,
    groups: int = 10,
    games: int = 100,
    anchor: str | None = None,
    seed: int = 10_000,
) -> str:
    """Return a table of ratings with 95 % intervals, and write it to `out` (.csv) if given.

    Without a `teacher`, ratings come from the stored answers, and each run is divided into up to `groups` parts by its steps.
    With a `teacher` ("oracle" or "noisy"), each pair of policies plays up to `games` games. For one run, the policies are its
    parts, represented by the clips that it asked about; for several runs, their newest policies, represented by new clips.
    `anchor`: the name whose rating is 0; None sets the mean rating to 0. Raises UserError if the policies cannot be rated.
    """
    if groups < 2 or games < 1:
        raise UserError(f"--groups {groups} and --games {games}: give at least 2 groups and 1 game.")
    if out is not None and out.suffix != ".csv":
        raise UserError(f"{out} is not a .csv file: name one.")
    scores = _scores(_named(runs), teacher, groups, games, seed)
    rows = table(scores, anchor)
    if len(runs) > 1:
        rows.sort(key=lambda row: -row[1])
    if out is not None:
        write_csv(out, COLUMNS, [(name, *(f"{value:.6g}" for value in row)) for name, *row in rows])
    return text(_report(scores, rows, teacher, anchor))


def _named(runs: Sequence[Path]) -> dict[str, Path]:
    """Return runs keyed by directory name, or by path if two directories have the same name."""
    unique = {run.resolve(): run for run in reversed(runs)}
    names = [resolved.name for resolved in reversed(unique)]
    paths = list(reversed(unique.values()))  # as given by the user
    return dict(zip(names if len(set(names)) == len(names) else map(str, paths), paths, strict=True))


def _scores(runs: dict[str, Path], teacher: str | None, groups: int, games: int, seed: int) -> Scores:
    if teacher is None:
        return _check_connected(stored.answered(runs, groups))
    return play(_players(runs, groups, games, seed), teacher_of(teacher, seed), games, seed)


def _players(runs: dict[str, Path], groups: int, games: int, seed: int) -> Sequence[Player]:
    if len(runs) > 1:
        from rlhp.rate import current  # imported here: only new clips need simulators and torch

        return current.players(runs, games * (len(runs) - 1), seed)
    found = stored.players(next(iter(runs.values())), groups)
    if len(found) < 2:
        raise UserError(
            "the run has asked about clips from fewer than two steps, so there is nothing to compare; train it longer."
        )
    return found


def _check_connected(scores: Scores) -> Scores:
    """Return the scores. Raises UserError if they do not compare all policies, directly or through others."""
    if not scores.answers:
        raise UserError("no stored answer compares clips of different steps or runs; give --teacher oracle, or fewer --groups.")
    first, *others = groups(scores.points)
    if others:
        names = scores.names[first[0]], scores.names[others[0][0]]
        raise UserError(
            f"the stored answers do not compare {names[0]} with {names[1]}, directly or through others; give --teacher oracle, "
            "or fewer --groups."
        )
    return scores


def table(scores: Scores, anchor: str | None = None) -> list[Row]:
    """Return name, rating, interval (low, high), games and share of points per policy. Raises UserError for an unknown anchor."""
    if anchor is not None and anchor not in scores.names:
        raise UserError(f"no policy is called {anchor}: --anchor is one of {', '.join(scores.names)}.")
    rated: Ratings = rate(scores.points, None if anchor is None else scores.names.index(anchor))
    games, points = (scores.points + scores.points.T).sum(axis=1), scores.points.sum(axis=1)
    each = zip(scores.names, rated.elo.tolist(), rated.error.tolist(), games.tolist(), points.tolist(), strict=True)
    return [(name, elo, elo - error, elo + error, games, points / games) for name, elo, error, games, points in each]


def _report(scores: Scores, rows: Sequence[Row], teacher: str | None, anchor: str | None) -> Report:
    cells = tuple((name, *(f"{value:.0f}" for value in row[:4]), f"{100 * row[4]:.0f} %") for name, *row in rows)
    zero = "the mean" if anchor is None else anchor
    notes = (
        f"Elo points, {zero} at 0; 400 points are odds of 10 to 1. low and high: 95 % Wald intervals for independent games.",
        "Each policy has an extra draw with a policy rated 0, so ratings are finite; a ranking of several clips is one game.",
    )
    head = f"{scores.answers:,} stored answers between them" if teacher is None else f"{scores.answers:,} answers by {teacher}"
    return Report(head, (Table("Ratings", COLUMNS, cells),), notes)
