"""Answers as lines of JSON with sorted keys and exact numbers. The files hold the digests of clips, not the clips."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rlhp.feedback import KINDS
from rlhp.store import Label, Source, is_count, is_time, labels
from rlhp.types import Answer, UserError

NAME = 80  # maximum number of characters of an annotator's name


def write(store: Path, out: Path, flagged: bool = False) -> int:
    """Write the answers of a store, with or without the flagged ones, and return their number."""
    given = [label for label in labels(store) if flagged or not label.flagged]
    lines = [json.dumps(asdict(label), sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n" for label in given]
    out.write_text("".join(lines), "utf-8")
    return len(given)


def read(file: Path) -> list[Label]:
    """Read answers exactly as `write` wrote them. Raises UserError for an unreadable file or a line that is not an answer."""
    try:
        lines = file.read_bytes().decode().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read: give a .jsonl file that `rlhp export` has written.") from error
    return [_label(file, number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _label(file: Path, number: int, line: str) -> Label:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"Line {number} of {file} is not JSON: give a file that `rlhp export` has written.") from error
    row = _with_defaults(row)
    problem = _problem(row)
    if problem is not None:
        raise UserError(f"Line {number} of {file} is not an answer: {problem}.")
    ranks = None if row["ranks"] is None else tuple(row["ranks"])
    return Label(**{**row, "clips": tuple(row["clips"]), "ranks": ranks, "source": Source(row["source"])})


def _with_defaults(row: Any) -> Any:
    """Add the fields that older files lack. They hold comparisons and rankings; the name tells whether a person answered."""
    if not isinstance(row, dict):
        return row
    several = isinstance(row.get("clips"), list) and len(row["clips"]) > 2
    kind, who = ("ranking" if several else "comparison"), str(row.get("annotator"))
    source = Source.HUMAN if who.startswith("human") else Source.IMPORT
    return {"kind": kind, "rating": None, "flagged": False, "source": source, **row}


def _problem(row: Any) -> str | None:
    """Return why a line is not an answer; None if it is one."""
    if not isinstance(row, dict) or row.keys() != FIELDS.keys():
        return f"it should have the keys {', '.join(FIELDS)}, and no others"
    for name, (valid, expected) in FIELDS.items():
        if not valid(row[name]):
            return f"{name} should be {expected}"
    if row["ranks"] is not None and len(row["ranks"]) != len(row["clips"]):
        return "it should rank every clip"
    if row["ranks"] is not None and row["rating"] is not None:
        return "it should rank several clips or rate one, not both"
    if not KINDS[row["kind"]].admits(_answer(row), len(row["clips"])):
        return f"ranks and rating should answer a {row['kind']} about this number of clips"
    if row["round"] > 0 and row["taken_step"] is not None:
        return "taken_step should be null if round is 1 or more, since repeats are never learned from"
    return None


def _answer(row: dict[str, Any]) -> Answer:
    return Answer(None if row["ranks"] is None else tuple(row["ranks"]), row["rating"])


def _name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= NAME and value.isprintable()


def _list(value: Any, valid: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) >= 1 and all(map(valid, value))


FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "annotator": (_name, f"a name of at most {NAME} characters"),
    "answered_at": (is_time, "seconds since 1970, as a decimal number"),
    "clips": (lambda v: _list(v, lambda each: isinstance(each, str)), "the digests of the clips"),
    "flagged": (lambda v: isinstance(v, bool), "true or false"),
    "kind": (lambda v: v in list(KINDS), f"one of {', '.join(KINDS)}"),
    "query": (is_count, "the number of a question"),
    "ranks": (lambda v: v is None or _list(v, is_count), "a rank per clip, or null"),
    "rating": (lambda v: v is None or (type(v) is float and 0 <= v <= 1), "a decimal number from 0 to 1, or null"),
    "round": (is_count, "0, or 1 for a repeat"),
    "shown_at": (lambda v: v is None or is_time(v), "seconds since 1970, as a decimal number, or null"),
    "source": (lambda v: v in list(Source), f"one of {', '.join(Source)}"),
    "swapped": (lambda v: isinstance(v, bool), "true or false"),
    "taken_step": (lambda v: v is None or is_count(v), "a number of environment steps, or null"),
}
