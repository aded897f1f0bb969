"""Agreement beyond chance, by statsmodels, which has both kappas; without it, NaN.

An extra rather than a dependency: with pandas and scipy it weighs over 250 MB, and nothing but these two numbers needs it.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from rlhp.types import Array

MISSING = "Kappas need statsmodels, which is not installed: pip install 'rlhp[labels]'"


def there() -> bool:
    """Whether kappas can be computed."""
    return find_spec("statsmodels") is not None


def cohen(table: Array) -> float:
    """Cohen's kappa of two people; `table` [categories, categories]: questions by what the one and the other said.

    NaN where both always said the same one thing: chance would do as well.
    """
    if not there() or (table.sum(0) @ table.sum(1)) == table.sum() ** 2:
        return float("nan")
    from statsmodels.stats.inter_rater import cohens_kappa

    kappa: Any = cohens_kappa(table, return_results=False)
    return float(kappa)


def fleiss(table: Array) -> float:
    """Fleiss' kappa; `table` [questions, categories]: how many people said what, as many of them on each question.

    NaN where all always said the same one thing.
    """
    if not there() or (table.sum(0) > 0).sum() == 1:
        return float("nan")
    from statsmodels.stats.inter_rater import fleiss_kappa

    return float(fleiss_kappa(table))
