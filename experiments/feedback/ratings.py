"""Variants of ratings on HalfCheetah, compared with the present ones on the same seeds; prints the table of README.md.

python experiments/feedback/ratings.py
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlhp.analysis import average, interval
from rlhp.csv_records import read_records

HERE = Path(__file__).parent
PRESENT = "as_it_is"


@dataclass(frozen=True, slots=True)
class Trial:
    """One run: the variant, and the mean true return of the episodes that ended in the last 5 % of its steps."""

    variant: str
    env: str
    labels: int
    seed: int
    total_steps: int
    true_return: float


def main() -> None:
    """Print each variant's mean, its runs, and its mean difference to the present ratings, with a 95 % bootstrap interval."""
    trials = read_records(Trial, HERE / "ratings.csv")
    present = {trial.seed: trial.true_return for trial in trials if trial.variant == PRESENT}
    for variant in dict.fromkeys(trial.variant for trial in trials):
        found = {trial.seed: trial.true_return for trial in trials if trial.variant == variant}
        runs = "  ".join(f"{value:,.0f}" for value in found.values())
        difference = np.array([value - present[seed] for seed, value in found.items()])
        low, high = interval([difference], average)  # NaN for a single run
        paired = "" if variant == PRESENT or np.isnan(low) else f"  {difference.mean():,.0f} ({low:,.0f} to {high:,.0f})"
        print(f"{variant:<24}{np.mean([*found.values()]):>7,.0f}  {runs}{paired}")


if __name__ == "__main__":
    main()
