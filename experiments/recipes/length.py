"""Rules for the length of a run against fixed numbers: short runs of the paper's method, paired by seed.

    python experiments/recipes/length.py [--steps 100000] [--tasks swimmer,hopper] [--jobs 2]

Trains what length.csv next to this file does not have yet, with 350 labels and seeds that no result is reported on, evaluates the
final policies without noise on 20 episodes, adds rows to the file, and prints its table.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np

from rlhp import evaluate
from rlhp.analysis import average, interval
from rlhp.analysis.experiment import script
from rlhp.csv_records import read_records, write_records
from rlhp.train import load, train
from rlhp.train.compose import compose

FILE = Path(__file__).parent / "length.csv"
SEEDS, LABELS, EPISODES = range(11, 19), 350, 20
WAIT = "query.min_segments_per_label=4"
FIXED = {  # the numbers of the recipes for 1,000,000 steps
    "swimmer": (WAIT, "agent.gamma=0.999", "agent.gae_lambda=0.98", "agent.reward_shift=-1.0"),
    "walker": (WAIT, "agent.reward_shift=2.0"),
    "hopper": (WAIT, "agent.gamma=0.995", "agent.gae_lambda=0.97"),
    "halfcheetah": (WAIT,),
    "reacher": (WAIT,),
}
Key = tuple[str, int, str, int]  # task, total_steps, settings, seed


@dataclass(frozen=True, slots=True)
class Trial:
    """One run: `settings` is "rules" or "fixed", `true_return` the mean of its final policy's episodes."""

    task: str
    total_steps: int
    settings: str
    seed: int
    true_return: Annotated[float, ".1f"]

    @property
    def key(self) -> Key:
        """All fields but the result."""
        return self.task, self.total_steps, self.settings, self.seed


def run(key: Key) -> Trial:
    """Train and evaluate."""
    task, steps, settings, seed = key
    fixed = FIXED[task] if settings == "fixed" else ()
    words = [f"env={task}", f"total_steps={steps}", f"labels={LABELS}", f"seed={seed}", "threads=1", *fixed]
    with tempfile.TemporaryDirectory() as folder:
        train(compose(words), Path(folder) / "run")
        trained = load(Path(folder) / "run")
        returns = evaluate.returns(trained.policy, trained.make_env(10, 10_000 + seed), EPISODES)
    return Trial(*key, float(returns.mean()))


def measure(missing: Sequence[Key], jobs: int) -> None:
    """Run what is missing; every result is written as it comes."""
    with ProcessPoolExecutor(jobs) as pool:
        for trial in pool.map(run, missing):
            print(
                f"{trial.task:<12} {trial.total_steps:>9,} {trial.settings:<6} seed {trial.seed}  {trial.true_return:,.1f}",
                flush=True,
            )
            write_records(Trial, FILE, sorted([*trials(), trial], key=lambda row: row.key))


def trials() -> list[Trial]:
    """The rows of length.csv."""
    return read_records(Trial, FILE) if FILE.exists() else []


def table(rows: Sequence[Trial]) -> Iterator[str]:
    """Means of both settings, the difference on the same seeds with its 95 % bootstrap interval, and higher returns."""
    yield f"{'task':<12}{'steps':>10}{'fixed':>9}{'rules':>9}{'difference':>12}  interval            higher"
    for task, steps in dict.fromkeys((row.task, row.total_steps) for row in rows):
        found = {row.key[2:]: row.true_return for row in rows if (row.task, row.total_steps) == (task, steps)}
        seeds = sorted(seed for settings, seed in found if settings == "rules" and ("fixed", seed) in found)
        if not seeds:
            continue
        fixed, rules = (np.array([found[settings, seed] for seed in seeds]) for settings in ("fixed", "rules"))
        low, high = interval([rules - fixed], average)
        numbers = f"{fixed.mean():>9,.1f}{rules.mean():>9,.1f}{(rules - fixed).mean():>12,.1f}"
        yield f"{task:<12}{steps:>10,}{numbers}  {f'{low:,.1f} to {high:,.1f}':<20}{(rules > fixed).sum()} of {len(seeds)}"


def main(argv: Sequence[str]) -> None:
    """Measure what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(FIXED))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    options = parser.parse_args(argv)
    known = {trial.key for trial in trials()}
    runs = product(options.tasks, [options.steps], ["fixed", "rules"], SEEDS)
    measure([key for key in runs if key not in known], options.jobs)
    print(*table(trials()), sep="\n")


if __name__ == "__main__":
    script(main)
