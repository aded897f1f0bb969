"""Migrations of stores that an older version wrote."""

from __future__ import annotations

import re

VERSION = 4

# Version 1 has one answer per query and teacher, and one lease in the row of the query.
_LEASE_OF_1 = ("ALTER TABLE query DROP COLUMN leased_until", "ALTER TABLE query DROP COLUMN leased_by")
# Versions 1 to 3 have comparisons, and rankings of more than two clips.
_KIND = "CASE json_array_length(segments) WHEN 2 THEN 'comparison' ELSE 'ranking' END"
_KINDS = ("ALTER TABLE query ADD COLUMN kind TEXT NOT NULL DEFAULT 'comparison'", f"UPDATE query SET kind = {_KIND}")
_BEFORE = ("DROP INDEX IF EXISTS answer_new", "DROP INDEX IF EXISTS answer_times", "ALTER TABLE answer RENAME TO old_answer")
_AFTER = (
    """
    INSERT INTO answer (query, teacher, round, ranks, swapped, shown_at, answered_at, taken_step, source)
    SELECT query, teacher, {round}, ranks, {swapped}, shown_at, answered_at, taken_step, {source} FROM old_answer
    """,
    "DROP TABLE old_answer",
)

# Versions 1 and 2 mark people's answers by the teacher's name.
_SOURCE = "CASE WHEN teacher LIKE 'human%' THEN 'human' ELSE 'synthetic' END"
_OF_3 = {"round": "round", "swapped": "swapped", "source": "source", "rating": "NULL", "flagged": "0", "kind": _KIND}
_ADDED = {
    1: {**_OF_3, "round": "0", "swapped": "0", "source": _SOURCE},
    2: {**_OF_3, "source": _SOURCE},
    3: _OF_3,
    4: {name: name for name in _OF_3},
}


def added(version: int) -> dict[str, str]:
    """The columns that later versions add to `answer` and `query`, as SQL expressions over the columns of `version`."""
    return _ADDED[version]


def steps(version: int, schema: str) -> list[str]:
    """The statements of one transaction that migrate a store of `version` to VERSION; empty if it has VERSION.

    `schema` is that of VERSION: it creates only tables and indices that do not exist.
    """
    if version == VERSION:
        return []
    fill = [statement.format(**added(version)) for statement in _AFTER]
    return [*(_LEASE_OF_1 if version == 1 else ()), *_KINDS, *_BEFORE, *statements(schema), *fill]


def statements(schema: str) -> list[str]:
    """Split a schema into its statements."""
    return [statement for statement in re.sub("--.*", "", schema).split(";") if statement.strip()]
