"""Alarm rates of `rlhp inspect` in simulated runs: python experiments/inspect/false_alarms.py [RUNS]."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from rlhp.csv_records import write_csv
from rlhp.inspect.hacking import alarm

POINTS = 128  # per run: the number of held-out segments that a run keeps
TIME = np.linspace(0, 1, POINTS)
TRUE = {  # true reward over training, in standard deviations of its noise; r-hat rises by 10 in all of them
    "flat": 0 * TIME,
    "learning": 6 * (1 - np.exp(-5 * TIME)),
    "exploited": np.where(TIME < 0.5, 8 * TIME, 4 - 6 * (TIME - 0.5)),
}
NOISE = (0.0, 0.5, 0.8)  # autocorrelation of successive points


def noise(share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a stationary series with standard deviation 1."""
    x, drawn = rng.standard_normal(POINTS), rng.standard_normal(POINTS)
    for i in range(1, POINTS):
        x[i] = share * x[i - 1] + np.sqrt(1 - share**2) * drawn[i]
    return x


def rings(true: np.ndarray, share: float, seed: int) -> bool:
    """Return whether one run raises an alarm."""
    rng = np.random.default_rng(seed)
    return alarm(TIME, 10 * TIME + noise(share, rng), true + noise(share, rng), seed).rings


def main(arguments: list[str]) -> None:
    """Write alarms.csv and print it."""
    runs = int(arguments[0]) if arguments else 200
    rows = [
        (name, share, sum(rings(true, share, seed) for seed in range(runs)), runs)
        for name, true in TRUE.items()
        for share in NOISE
    ]
    write_csv(Path(__file__).with_name("alarms.csv"), ("true_reward", "autocorrelation", "alarms", "runs"), rows)
    print(*rows, sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
