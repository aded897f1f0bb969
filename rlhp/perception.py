"""How a synthetic teacher perceives clips: their returns, and what noise and mistakes make of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from rlhp.types import Array, Segment, UserError


def return_of(clip: Segment, gamma: float = 1.0) -> float:
    """Sum of true reward, correctly rounded: the same rewards in another order must tie."""
    rewards = np.asarray(clip.true_reward, np.float64)
    return math.fsum(rewards * gamma ** np.arange(len(rewards) - 1, -1, -1))


@dataclass(slots=True)
class RunningMoments:
    """Mean and standard deviation of all numbers added (Welford's running form)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # sum of squared distances from the mean

    def add(self, numbers: Sequence[float]) -> None:
        """Take them in."""
        for number in numbers:
            self.count += 1
            distance = number - self.mean
            self.mean += distance / self.count
            self.squares += distance * (number - self.mean)

    def deviation(self) -> float:
        """The standard deviation; 1 where all numbers were equal so far."""
        return math.sqrt(self.squares / self.count) if self.squares > 0 else 1.0

    def scores(self, numbers: Sequence[float]) -> list[float]:
        """Distances from the mean in standard deviations."""
        deviation = self.deviation()
        return [(number - self.mean) / deviation for number in numbers]


def check_faults(beta: float | None, gamma: float, **mistake: float) -> None:
    """Raises UserError for values out of range; the probability of a mistake is given under its setting's name."""
    if beta is not None and not beta >= 0:
        raise UserError(f"teacher.beta is {beta}: give 0 (guesses) or more, or null for a teacher without noise.")
    for name, probability in mistake.items():
        if not 0 <= probability <= 1:
            raise UserError(f"teacher.{name} is {probability}, but it is a probability: give a number from 0 to 1.")
    if not 0 < gamma <= 1:
        raise UserError(f"teacher.gamma is {gamma}: give a number above 0 and at most 1.")


def perceived_together(rng: np.random.Generator, scores: Sequence[float], beta: float | None, mistake: float) -> list[float]:
    """Scores as they are if beta is None or infinite, else with noise; mirrored, so that the order is reversed, by mistake.

    The Gumbel trick: sorting beta * score plus Gumbel noise draws an order from Plackett-Luce, which is Bradley-Terry for two.
    """
    noise = rng.gumbel(size=len(scores))
    perceived = list(scores) if beta is None or math.isinf(beta) else _scaled(beta * np.array(scores) + noise, beta)
    return [-value for value in perceived] if rng.random() < mistake else perceived


def perceived_alone(rng: np.random.Generator, score: float, beta: float | None, mistake: float, middle: float) -> float:
    """The same of one clip beside an imaginary one that is middling: logistic noise, and mirrored there by mistake."""
    noise = float(np.subtract(*rng.gumbel(size=2)))
    perceived = score
    if beta is not None and not math.isinf(beta):
        perceived = middle + _scaled(np.array([beta * (score - middle) + noise]), beta)[0]
    return 2 * middle - perceived if rng.random() < mistake else perceived


def _scaled(utility: Array, beta: float) -> list[float]:
    """In the units of the scores, where beta says how these compare with the noise."""
    return (utility / beta if beta else utility).tolist()


def tied(perceived: Sequence[float], scores: Sequence[float], within: float) -> list[float]:
    """What is perceived, with neighbours in its order made equal where their true scores differ by at most `within`."""
    order = sorted(range(len(scores)), key=lambda i: -perceived[i])  # stable: equal ones stay in the order given
    values = list(perceived)
    for better, worse in pairwise(order):
        if abs(scores[better] - scores[worse]) <= within:
            values[worse] = values[better]
    return values
