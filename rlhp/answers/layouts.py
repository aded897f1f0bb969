"""Which columns of a file of preferences hold what: those of published data sets by default, any others by a mapping."""

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
    """The columns of two segments and a label, by what they hold; a dotted name is a field of a column.

    A label is a number, P[the segment `one` is preferred], or two of them, P[left] and P[right]. `minus_one` is what -1 says.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    one: str | None = None  # left or right; None: not known, so that single numbers cannot be read
    minus_one: str | None = None  # equal or unsure; None: -1 is no label

    def words(self) -> str:
        """The layout, for people."""
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
    # Hejna and Sadigh 2023: feedback.npz; a query that nobody has labelled has -1
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
    # Kim et al. 2023 and Yuan et al. 2024: queries cut out of D4RL, labels one-hot, or as people gave them: 0, 1 and -1
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
    """A mapping as it is typed, `left.obs=obs_1,left.act=act_1,...`. Raises UserError for what is none."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    for role, equals, column in pairs:
        if not equals or not column or role not in (*NEEDED, *OPTIONAL):
            raise UserError(
                f"--columns: {role}{equals}{column} names no column; give WHAT=COLUMN, with WHAT one of "
                f"{', '.join((*NEEDED, *OPTIONAL))}."
            )
    return {role: column for role, _, column in pairs}


def find(
    there: Collection[str], columns: Mapping[str, str], one: str | None = None, minus_one: str | None = None, source: object = ""
) -> Layout:
    """The layout of a file with the columns `there`: the first known one whose columns it has, with what is said here.

    Raises UserError where a column is missing, or none of the known layouts fits and not all columns are named.
    """
    for said, choices in ((one, SIDES), (minus_one, MINUS_ONE)):
        if said is not None and said not in choices:
            raise UserError(f"{said!r} is none of {', '.join(choices)}; choose one of them.")
    if missing := [column for column in columns.values() if column not in there]:
        raise UserError(f"{source} has no column {missing[0]}; its columns are {_some(there)}.")
    base = next((layout for layout in KNOWN if {*{**layout.columns, **columns}.values()} <= {*there}), None)
    if base is None or columns.keys() >= {*NEEDED}:
        base = Layout("columns as named")
    layout = replace(base, columns={**base.columns, **columns})
    if lacking := [role for role in NEEDED if role not in layout.columns]:
        raise UserError(
            f"{source} has the columns {_some(there)}, which is no layout known here; name those that hold "
            f"{', '.join(lacking)} with --columns {lacking[0]}=COLUMN,..."
        )
    extra = {role: role for role in OPTIONAL if role in there and role not in layout.columns}
    return replace(layout, columns={**layout.columns, **extra}, one=one or layout.one, minus_one=minus_one or layout.minus_one)


def _some(names: Collection[str]) -> str:
    shown = sorted(names)[:12]
    return ", ".join(shown) + (", ..." if len(names) > len(shown) else "") if shown else "none"
