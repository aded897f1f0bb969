"""How a synthetic teacher perceives segments: their returns with noise and mistakes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rlhp.types import Array, Segment, UserError


def return_of(clip: Segment, gamma: float = 1.0) -> float:
    """The sum of true reward, correctly rounded, so that the same rewards in another order are a tie."""
    rewards = np.asarray(clip.true_reward, np.float64)
    return math.fsum(rewards * gamma ** np.arange(len(rewards) - 1, -1, -1))


@dataclass(slots=True)
class RunningMoments:
    """Running mean and standard deviation of all numbers added (Welford's algorithm)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances from the mean

    def add(self, numbers: Sequence[float]) -> None:
        """Update the moments."""
        for number in numbers:
            self.count += 1
            distance = number - self.mean
            self.mean += distance / self.count
            self.squares += distance * (number - self.mean)

    def deviation(self) -> float:
        """The standard deviation; 1 if all numbers so far are equal."""
        return math.sqrt(self.squares / self.count) if self.squares > 0 else 1.0

    def scores(self, numbers: Sequence[float]) -> list[float]:
        """Standardise numbers: deviations from the mean in standard deviations."""
        deviation = self.deviation()
        return [(number - self.mean) / deviation for number in numbers]


def check_faults(beta: float | None, gamma: float, **mistake: float) -> None:
    """Raises UserError for values out of range; the probability of a mistake is passed under the name of its setting."""
    if beta is not None and not beta >= 0:
        raise UserError(f"teacher.beta is {beta}: give 0 (random answers) or more, or null for a teacher without noise.")
    for name, probability in mistake.items():
        if not 0 <= probability <= 1:
            raise UserError(f"teacher.{name} is {probability}, but it is a probability: give a number from 0 to 1.")
    if not 0 < gamma <= 1:
        raise UserError(f"teacher.gamma is {gamma}: give a number above 0 and at most 1.")


def perceived_together(rng: np.random.Generator, scores: Sequence[float], beta: float | None, mistake: float) -> list[float]:
    """The perceived scores of several segments: with noise unless beta is None or infinite, and negated by mistake.

    Negating reverses the order. By the Gumbel trick, sorting beta * score plus Gumbel noise samples an order from the
    Plackett-Luce model, which for two is Bradley-Terry.
    """
    noise = rng.gumbel(size=len(scores))
    perceived = list(scores) if beta is None or math.isinf(beta) else _scaled(beta * np.array(scores) + noise, beta)
    return [-value for value in perceived] if rng.random() < mistake else perceived


def perceived_alone(rng: np.random.Generator, score: float, beta: float | None, mistake: float, middle: float) -> float:
    """The perceived score of one segment, compared with the score `middle`: logistic noise, and mirrored at it by mistake."""
    noise = float(np.subtract(*rng.gumbel(size=2)))
    perceived = score
    if beta is not None and not math.isinf(beta):
        perceived = middle + _scaled(np.array([beta * (score - middle) + noise]), beta)[0]
    return 2 * middle - perceived if rng.random() < mistake else perceived


def _scaled(utility: Array, beta: float) -> list[float]:
    """Convert utilities beta * score + noise to the units of the scores; with beta = 0 they stay."""
    return (utility / beta if beta else utility).tolist()


def tied(perceived: Sequence[float], scores: Sequence[float], within: float) -> list[float]:
    """Make neighbours in the perceived order equal if their true scores differ by at most `within`."""
    order = sorted(range(len(scores)), key=lambda i: -perceived[i])  # stable: equal ones keep their order
    values = list(perceived)
    for better, worse in pairwise(order):
        if abs(scores[better] - scores[worse]) <= within:
            values[worse] = values[better]
    return values
