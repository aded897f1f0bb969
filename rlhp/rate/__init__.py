"""`rlhp rate`: Elo ratings of policies, from stored answers or from those of a teacher."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from rlhp.answers import Report, Table, text
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
    """A table of ratings with 95 % intervals, which is also written to `out` (.csv).

    Without a `teacher` ("oracle" or "noisy") from the stored answers, for each run in up to `groups` parts of its steps.
    With one, each two policies meet in up to `games` games: of one run, those parts by the clips that it asked about; of several,
    their newest policies by new clips. `anchor`: the name whose rating is 0; None: their mean is. Raises UserError for what
    cannot be rated.
    """
    if groups < 2 or games < 1:
        raise UserError(f"--groups {groups} and --games {games}: give 2 groups or more, and 1 game or more.")
    if out is not None and out.suffix != ".csv":
        raise UserError(f"{out} is no .csv file: name one.")
    found = _scores(_named(runs), teacher, groups, games, seed)
    rows = table(found, anchor)
    if len(runs) > 1:
        rows.sort(key=lambda row: -row[1])
    if out is not None:
        _write(out, rows)
    return text(_told(found, rows, teacher, anchor))


def _named(runs: Sequence[Path]) -> dict[str, Path]:
    """Runs by the names of their directories, or by their paths where two directories have one name."""
    once = {run.resolve(): run for run in reversed(runs)}
    names = [resolved.name for resolved in reversed(once)]
    paths = list(reversed(once.values()))  # as they were given
    return dict(zip(names if len(set(names)) == len(names) else map(str, paths), paths, strict=True))


def _scores(runs: dict[str, Path], teacher: str | None, groups: int, games: int, seed: int) -> Scores:
    if teacher is None:
        return _enough(stored.answered(runs, groups))
    return play(_players(runs, groups, games, seed), teacher_of(teacher, seed), games, seed)


def _players(runs: dict[str, Path], groups: int, games: int, seed: int) -> Sequence[Player]:
    if len(runs) > 1:
        from rlhp.rate import current  # simulators and torch are wanted for new clips alone

        return current.players(runs, games * (len(runs) - 1), seed)
    found = stored.players(next(iter(runs.values())), groups)
    if len(found) < 2:
        raise UserError("the run has asked about clips of fewer than two steps, so there is nothing to compare; train it longer.")
    return found


def _enough(found: Scores) -> Scores:
    """Raises UserError where the answers do not compare each policy with the others, directly or by way of others."""
    if not found.answers:
        raise UserError("no stored answer compares clips of different steps or runs; give --teacher oracle, or fewer --groups.")
    first, *others = groups(found.points)
    if others:
        names = found.names[first[0]], found.names[others[0][0]]
        raise UserError(
            f"the stored answers do not compare {names[0]} with {names[1]}, nor by way of others; give --teacher oracle, or "
            "fewer --groups."
        )
    return found


def table(found: Scores, anchor: str | None = None) -> list[Row]:
    """Name, rating, the ends of its interval, games and share of points of each policy. Raises UserError for no such anchor."""
    if anchor is not None and anchor not in found.names:
        raise UserError(f"no policy is called {anchor}: --anchor names one of {', '.join(found.names)}.")
    rated: Ratings = rate(found.points, None if anchor is None else found.names.index(anchor))
    games, points = (found.points + found.points.T).sum(axis=1), found.points.sum(axis=1)
    each = zip(found.names, rated.elo.tolist(), rated.error.tolist(), games.tolist(), points.tolist(), strict=True)
    return [(name, elo, elo - error, elo + error, games, points / games) for name, elo, error, games, points in each]


def _told(found: Scores, rows: Sequence[Row], teacher: str | None, anchor: str | None) -> Report:
    cells = tuple((name, *(f"{value:.0f}" for value in row[:4]), f"{100 * row[4]:.0f} %") for name, *row in rows)
    zero = "their mean" if anchor is None else anchor
    notes = (
        f"Elo points, {zero} at 0; 400 points are odds of 10 to 1. low and high: 95 % Wald intervals, as of independent games.",
        "A draw of each policy with one that is rated 0 keeps the undefeated finite; a ranking of several clips is one game.",
    )
    head = f"{found.answers:,} stored answers between them" if teacher is None else f"{found.answers:,} answers by {teacher}"
    return Report(head, (Table("Ratings", COLUMNS, cells),), notes)


def _write(out: Path, rows: Sequence[Row]) -> None:
    try:
        with out.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows((name, *(f"{value:.6g}" for value in row)) for name, *row in rows)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): name another file.") from error
