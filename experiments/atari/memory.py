"""Space taken by 5,500 labels of a game: the store, a checkpoint, and the memory of all processes of a run.

    python experiments/atari/memory.py [--games pong,seaquest] [--steps 150000,300000] [KEY=VALUE ...]

Trains each game with all 5,500 labels for each number of steps, with fewer gradient steps than usual, and writes memory.csv.
Memory is the proportional set size (shared pages counted once) of the training and its child processes, measured twice per
second.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlhp.csv_records import write_records
from rlhp.run.files import read_table

HERE = Path(__file__).parent
MIB = 2**20
QUICK = (
    "query.min_segments_per_label=1",
    "memory.capacity=6000",
    "training_schedule.first_per_1000_steps=0.2",
    "training_schedule.per_1000_steps=0.5",
)
SMALL = ("agent/network=small", "labels=5500")
TARGETS = {"store_mib": 150, "checkpoint_mib": 300, "peak_mib": 3 * 1024}


@dataclass(frozen=True, slots=True)
class Row:
    """One run."""

    env: str
    steps: int
    labels: int
    store_mib: float
    checkpoint_mib: float
    peak_mib: float


def descendants(pid: int) -> Iterator[int]:
    """Yield a process and all its running descendants."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = (thread / "children").read_text().split()
        except OSError:
            continue
        for child in children:
            yield from descendants(int(child))


def pss(pid: int) -> int:
    """Proportional set size of a process in bytes; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def measured(env: str, steps: int, threads: int, overrides: Sequence[str]) -> Row:
    """Train and measure."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = [
            f"env={env}",
            f"total_steps={steps}",
            f"threads={threads}",
            f"hydra.run.dir={run}",
            *SMALL,
            *QUICK,
            *overrides,
        ]
        process = subprocess.Popen([sys.executable, "-m", "rlhp.cli", "train", *settings])
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(map(pss, descendants(process.pid))))
            time.sleep(0.5)
        if process.returncode:
            raise SystemExit(f"rlhp train {' '.join(settings)} failed")
        labels = int(read_table(run / "metrics.csv")[-1]["labels"])
        newest = max((run / "checkpoints").iterdir(), key=lambda path: int(path.name))
        sizes = [size([run / "preferences.sqlite"]), size(newest.iterdir()), peak]
        return Row(env, steps, labels, *(round(number / MIB, 1) for number in sizes))


def size(files: Iterator[Path] | Sequence[Path]) -> int:
    """Total size of the files in bytes."""
    return sum(file.stat().st_size for file in files)


def main(argv: Sequence[str]) -> None:
    """Measure, write the results and print them."""
    options = arguments(argv)
    rows = [measured(env, steps, options.threads, options.overrides) for env in options.games for steps in options.steps]
    write_records(Row, options.out / "memory.csv", rows)
    for row in rows:
        print(
            f"{row.env}, {row.steps:,} steps, {row.labels:,} labels: store {row.store_mib:,.0f} MiB, checkpoint "
            f"{row.checkpoint_mib:,.0f} MiB, all processes {row.peak_mib:,.0f} MiB at most"
        )
    for name, most in TARGETS.items():
        worst = max(getattr(row, name) for row in rows)
        print(f"{'PASS' if worst < most else 'short':<6} {name} {worst:,.0f} of {most:,}")


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", type=lambda text: text.split(","), default=["pong", "seaquest"])
    parser.add_argument("--steps", type=lambda text: [int(steps) for steps in text.split(",")], default=[150_000, 300_000])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of rlhp train")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
