"""Targets for the loop's speed, and whether they are met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from rlhp.run.files import read_table

SAMPLING = {"hopper": 0.70, "walker": 0.70, "ant": 0.70, "halfcheetah": 0.50, "swimmer": 0.50}  # of raw, at least
LOOP = {"hopper": 0.40, "walker": 0.40, "ant": 0.40}  # of raw, at least, with 700 labels
PREFERENCES = 1.15  # times the time on the true reward, at most
SB3 = {"hopper": 3.0}  # times its speed, at least
PEER = 10.0  # times imitation's speed, at least, with at least its return
MEMORY = 1.10  # times the peak with fewer steps, at most

Rates = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Target:
    """One target: description, measured value, required value."""

    what: str
    measured: float
    wanted: float
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    def __str__(self) -> str:
        sign = "at most" if self.at_most else "at least"
        return f"{'PASS' if self.met else 'FAIL'}  {self.measured:>7.2f}  {sign:>8} {self.wanted:<6.2f} {self.what}"


def table(rates: dict[str, Rates], folder: Path) -> str:
    """Format all targets for which the files have data, one line each."""
    return "\n".join(map(str, [*_speeds(rates), *_peer(folder / "peer.csv"), *_memory(folder / "memory.csv")]))


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Compute the median over the rounds of a / b within a round."""
    return median(x / y for x, y in zip(a, b, strict=True))


def _speeds(rates: dict[str, Rates]) -> Iterator[Target]:
    for task in rates:
        if task in SAMPLING:
            measured = ratio(rates[task]["sampling"], rates[task]["raw"])
            yield Target(f"{task}: sampling, share of raw", measured, SAMPLING[task])
    for task in rates:
        if task in LOOP:
            measured = ratio(rates[task]["loop_700"], rates[task]["raw"])
            yield Target(f"{task}: whole loop with 700 labels, share of raw", measured, LOOP[task])
    for task, each in rates.items():
        measured = ratio(each["loop_true"], each["loop_700"])
        yield Target(f"{task}: time with 700 labels, of the time on the true reward", measured, PREFERENCES, at_most=True)
    for task in rates:
        if task in SB3:
            measured = ratio(rates[task]["loop_700"], rates[task]["sb3"])
            yield Target(f"{task}: whole loop with 700 labels, times Stable-Baselines3's speed", measured, SB3[task])


def _peer(path: Path) -> Iterator[Target]:
    rows = read_table(path)
    for task in dict.fromkeys(row["task"] for row in rows):
        sides = {what: [row for row in rows if (row["task"], row["what"]) == (task, what)] for what in ("imitation", "rlhp")}
        theirs, ours = ([float(row["seconds"]) for row in side] for side in sides.values())
        yield Target(f"{task}: times imitation's speed", ratio(theirs, ours), PEER)
        theirs, ours = ([float(row["true_return"]) for row in side] for side in sides.values())
        yield Target(f"{task}: true return after as many steps, compared with imitation's", mean(ours), mean(theirs))


def _memory(path: Path) -> Iterator[Target]:
    peaks = {int(row["steps"]): float(row["peak_mib"]) for row in read_table(path)}
    if not peaks:
        return
    few, many = min(peaks), max(peaks)
    measured = peaks[many] / peaks[few]
    yield Target(f"peak memory at {many:,} steps, of that at {few:,}", measured, MEMORY, at_most=True)
