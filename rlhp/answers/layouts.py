"""Column layouts of preference files: those of published datasets, and any others by a mapping."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from rlhp.types import UserError

NEEDED = ("left.obs", "left.act", "right.obs", "right.act", "label")
OPTIONAL = ("left.reward", "right.reward", "annotator")
SIDES = ("left", "right")
MINUS_ONE = ("equal", "unsure")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns that hold two segments and a label; a dotted name is a field of a column.

    A label is a number, P[the segment `one` is preferred], or two numbers, P[left] and P[right]. `minus_one`: meaning of -1.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    one: str | None = None  # left or right; None: unknown, so that single numbers cannot be interpreted
    minus_one: str | None = None  # equal or unsure; None: -1 is not a valid label

    def words(self) -> str:
        """Describe the layout."""
        return self.name + (f": a label of 1 prefers {self.columns[f'{self.one}.obs']}" if self.one else "")


KNOWN = (
    Layout(
        "rlhp export",
        {
            **{f"{side}.{what}": f"segment_{i}.{what}" for i, side in enumerate(SIDES) for what in ("obs", "act")},
            "label": "label",
        },
        "left",
    ),
    # Hejna and Sadigh 2023: feedback.npz; an unlabelled query has -1
    Layout(
        "Inverse Preference Learning",
        {
            **{f"{side}.obs": f"obs_{i}" for i, side in enumerate(SIDES, 1)},
            **{f"{side}.act": f"action_{i}" for i, side in enumerate(SIDES, 1)},
            "label": "label",
        },
        "right",
        "unsure",
    ),
    # Kim et al. 2023 and Yuan et al. 2024: queries from D4RL; labels are one-hot, or people's 0, 1 and -1
    Layout(
        "Preference Transformer, Uni-RLHF",
        {
            **{"left.obs": "observations", "left.act": "actions"},
            **{"right.obs": "observations_2", "right.act": "actions_2"},
            "label": "labels",
        },
        "right",
        "equal",
    ),
)


def parsed(text: str) -> dict[str, str]:
    """Parse a mapping such as `left.obs=obs_1,left.act=act_1,...`. Raises UserError if it is malformed."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    for role, equals, column in pairs:
        if not equals or not column or role not in (*NEEDED, *OPTIONAL):
            raise UserError(
                f"--columns: {role}{equals}{column} names no column; give ROLE=COLUMN, with ROLE one of "
                f"{', '.join((*NEEDED, *OPTIONAL))}."
            )
    return {role: column for role, _, column in pairs}


def find(
    names: Collection[str], columns: Mapping[str, str], one: str | None = None, minus_one: str | None = None, source: object = ""
) -> Layout:
    """Find the layout of a file with the columns `names`: the first known layout that fits, overridden by the other arguments.

    Raises UserError if a column is missing, or no known layout fits and not all columns are given.
    """
    for given, choices in ((one, SIDES), (minus_one, MINUS_ONE)):
        if given is not None and given not in choices:
            raise UserError(f"{given!r} is not one of {', '.join(choices)}; choose one of them.")
    if missing := [column for column in columns.values() if column not in names]:
        raise UserError(f"{source} has no column {missing[0]}; its columns are {_some(names)}.")
    base = next((layout for layout in KNOWN if {*{**layout.columns, **columns}.values()} <= {*names}), None)
    if base is None or columns.keys() >= {*NEEDED}:
        base = Layout("columns as named")
    layout = replace(base, columns={**base.columns, **columns})
    if lacking := [role for role in NEEDED if role not in layout.columns]:
        raise UserError(
            f"{source} has the columns {_some(names)}, which match no known layout; name those that hold "
            f"{', '.join(lacking)} with --columns {lacking[0]}=COLUMN,..."
        )
    extra = {role: role for role in OPTIONAL if role in names and role not in layout.columns}
    return replace(layout, columns={**layout.columns, **extra}, one=one or layout.one, minus_one=minus_one or layout.minus_one)


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:12]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "") if shown else "none"
