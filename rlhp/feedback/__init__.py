"""Query kinds: how many clips a query shows, which answers are valid, and how a synthetic teacher answers it.

Each kind is one module here. The store keeps the name of the kind with each query; the page, the answer files and the teachers
use the kind.
"""

from rlhp.feedback.choices import Choices
from rlhp.feedback.comparison import COMPARISON
from rlhp.feedback.good_bad import GOOD_BAD
from rlhp.feedback.graded_comparison import GRADED_COMPARISON
from rlhp.feedback.kind import UNSURE, InvalidAnswer, Kind
from rlhp.feedback.ranking import RANKING, ranks_of
from rlhp.feedback.rating import RATING
from rlhp.feedback.standard import Seen, Standard
from rlhp.types import UserError

KINDS: dict[str, Kind] = {kind.name: kind for kind in (COMPARISON, GRADED_COMPARISON, RANKING, RATING, GOOD_BAD)}

__all__ = [
    "COMPARISON",
    "GOOD_BAD",
    "GRADED_COMPARISON",
    "KINDS",
    "RANKING",
    "RATING",
    "UNSURE",
    "Choices",
    "InvalidAnswer",
    "Kind",
    "Seen",
    "Standard",
    "asked_about",
    "find",
    "ranks_of",
]


def find(name: str) -> Kind:
    """Look a kind up by name. Raises UserError if there is none."""
    if name not in KINDS:
        raise UserError(f"feedback={name} is not a query kind; choose one of {', '.join(KINDS)}.")
    return KINDS[name]


def asked_about(kind: Kind, clips: int) -> Kind:
    """The kind of a query about `clips` clips, in a run with this kind: a comparison of more than two clips is a ranking.

    Raises UserError if the kind does not allow that number of clips.
    """
    asked = RANKING if kind is COMPARISON and clips > COMPARISON.most else kind
    if not asked.fewest <= clips <= asked.most:
        many = f"{asked.fewest}" if asked.fewest == asked.most else f"{asked.fewest} to {asked.most}"
        shown = "1 clip" if many == "1" else f"{many} clips"
        raise UserError(f"a query of kind {asked.name} shows {shown}, not {clips}; set query.clips.")
    return asked
