"""Agreement beyond chance: Cohen's and Fleiss' kappa, computed by statsmodels; NaN if it is not installed.

statsmodels is an optional extra: with pandas and scipy it takes over 250 MB, and only these two numbers need it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from rlhp.types import Array

MISSING = "Kappas need statsmodels, which is not installed: pip install 'rlhp[labels]'"


def is_available() -> bool:
    """Return whether statsmodels is installed."""
    return find_spec("statsmodels") is not None


def cohen(table: Array) -> float:
    """Compute Cohen's kappa of two annotators from counts of questions, `table` [first's category, second's category].

    NaN if both always gave the same single answer, since chance would agree as well.
    """
    if not is_available() or (table.sum(0) @ table.sum(1)) == table.sum() ** 2:
        return float("nan")
    from statsmodels.stats.inter_rater import cohens_kappa

    kappa: Any = cohens_kappa(table, return_results=False)
    return float(kappa)


def fleiss(table: Array) -> float:
    """Compute Fleiss' kappa from `table` [questions, categories], the number of annotators per answer.

    Every question must have the same number of answers. NaN if all annotators always gave the same single answer.
    """
    if not is_available() or (table.sum(0) > 0).sum() == 1:
        return float("nan")
    from statsmodels.stats.inter_rater import fleiss_kappa

    return float(fleiss_kappa(table))
