"""Growth of memory with the number of steps: the peak of whole runs, each in its own process.

    python experiments/speed/memory.py [--task halfcheetah] [--steps 200000,2000000] [KEY=VALUE ...]

Runs `rlhp train` to its end for each number of steps, prints the peak resident memory and the ratio, and writes memory.csv.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import machine

from rlhp.csv_records import write_csv

HERE = Path(__file__).parent


def peak(task: str, steps: int, threads: int, overrides: Sequence[str]) -> float:
    """Measure peak resident memory of `rlhp train` in MiB, including its figures at the end."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [f"env={task}", f"total_steps={steps}", f"threads={threads}", f"hydra.run.dir={folder}/run", *overrides]
        command = [sys.executable, "-m", "rlhp.cli", "train", *settings]
        child = os.posix_spawn(sys.executable, command, os.environ)
        _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_maxrss / 1024  # Linux counts KiB


def main(argv: Sequence[str]) -> None:
    """Measure, write the results and print them."""
    options = arguments(argv)
    peaks = {steps: peak(options.task, steps, options.threads, options.overrides) for steps in sorted(options.steps)}
    rows = [(options.task, steps, f"{mib:.1f}") for steps, mib in peaks.items()]
    write_csv(options.out / "memory.csv", ("env", "steps", "peak_mib"), rows)
    for steps, mib in peaks.items():
        print(f"{options.task}: peak of {mib:,.0f} MiB in {steps:,} steps")
    print(f"ratio: {peaks[max(peaks)] / peaks[min(peaks)]:.3f}")


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="halfcheetah")
    parser.add_argument("--steps", type=lambda text: [int(steps) for steps in text.split(",")], default=[200_000, 2_000_000])
    parser.add_argument("--threads", type=int, default=machine.cores())
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of rlhp train")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
