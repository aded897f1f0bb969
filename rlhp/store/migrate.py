"""How a store that an older version wrote becomes one of this version."""

from __future__ import annotations

import re

VERSION = 2

# Version 1 kept one answer per question and teacher, and one lease in the question's own row.
_FROM_1 = (
    "ALTER TABLE query DROP COLUMN leased_until",
    "ALTER TABLE query DROP COLUMN leased_by",
    "DROP INDEX answer_new",
    "ALTER TABLE answer RENAME TO old_answer",
)
_FILL_FROM_1 = (
    """
    INSERT INTO answer (query, teacher, ranks, shown_at, answered_at, taken_step)
    SELECT query, teacher, ranks, shown_at, answered_at, taken_step FROM old_answer
    """,
    "DROP TABLE old_answer",
)


def steps(version: int, schema: str) -> list[str]:
    """The statements, one transaction's worth, that bring a store of `version` to VERSION; none where it is of VERSION.

    `schema` is that of VERSION: it makes only what is not there.
    """
    made = [statement for statement in re.sub("--.*", "", schema).split(";") if statement.strip()]
    return [*_FROM_1, *made, *_FILL_FROM_1] if version == 1 else []
