"""Training speed from pixels, as a share of the emulator's speed and relative to Stable-Baselines3.

    python experiments/speed/games.py [--tasks pong] [--networks nature,small] [--rounds 3] [--seconds 4] [KEY=VALUE ...]
    python experiments/speed/games.py --profile
    python experiments/speed/games.py --report

Like benchmark.py, with the variants of `game_variants`, in the folder games/: each pair of task and network is a row of the
table, and rows of other tasks and networks do not change. `KEY=VALUE` are settings of `rlhp train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import benchmark
import machine
import shares
from benchmark import Rates, Worker
from game_variants import VARIANTS, work
from targets import Target, ratio

STEPS = 2_000_000  # of a whole run
FIRST_FIT = 0.05  # fraction of the first fit that is run; its time is multiplied by the reciprocal
LABELS = (
    "labels=5500",
    "schedule=constant",
)  # labels at their mean rate over a run; an annealed schedule has this rate after a fifth of the run
LOOPS = {"loop_true": ("condition=true_reward",), "loop_5500": LABELS}
STOCK = ("sb3", "sb3_one_thread", "sb3_workers")


def settings(task: str, network: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Compose the settings of a variant."""
    chosen = [f"agent/network={network}", f"total_steps={STEPS}", *LOOPS.get(name, LOOPS["loop_true"]), *options.overrides]
    found = benchmark.configuration(task, options.threads, chosen)
    schedule = found["training_schedule"]
    schedule["first_per_1000_steps"] *= FIRST_FIT
    return {**found, "training_schedule": schedule, "first_fit": FIRST_FIT}


def measure(task: str, network: str, held: dict[str, Worker], options: argparse.Namespace) -> Rates:
    """Measure each variant's rate in each round, in turn; the rates of loops are those of whole runs."""
    starts = {name: worker.begin(settings(task, network, name, options)) for name, worker in held.items()}
    rates: Rates = {name: [] for name in held}
    names = list(held)
    for i in range(options.rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            window = held[name].window(options.seconds)
            rates[name].append(benchmark.whole_run(starts[name], window, STEPS) if name in LOOPS else window.rate)
    for worker in held.values():
        worker.end()
    return rates


def profile(options: argparse.Namespace) -> None:
    """Print the time of each part of the whole loop, with labels and on the true reward."""
    names = {f"profile_{name.removeprefix('loop_')}": name for name in LOOPS}
    for task in options.tasks:
        for network in options.networks:
            columns = {}
            for profiled, name in names.items():
                with benchmark.workers([profiled], work) as held:
                    held[profiled].begin(settings(task, network, name, options))
                    window = held[profiled].window(max(options.seconds, 8.0))
                    columns[profiled] = (held[profiled].end().recv(), window.steps)
            print(f"\n{task} {network}\n{shares.table(columns, per=1024)}", flush=True)


def stock(rates: Rates) -> list[float]:
    """Return the rates of the fastest measured way to run Stable-Baselines3, by its median."""
    return max((rates[name] for name in STOCK if name in rates), key=median)


def judged(rates: dict[str, Rates]) -> list[Target]:
    """Return the targets of each row."""
    found = []
    for row, each in rates.items():
        beyond = {"loop_true": 2.5, "loop_5500": 1.8} if row.endswith("nature") else {"loop_true": 4.0}
        found.append(Target(f"{row}: sampling, share of raw", ratio(each["sampling"], each["raw"]), 0.6))
        found += [
            Target(f"{row}: {name}, times Stable-Baselines3's speed", ratio(each[name], stock(each)), wanted)
            for name, wanted in beyond.items()
        ]
    return found


def report(folder: Path) -> None:
    """Print the table and the targets."""
    rates = benchmark.read(folder)
    print(benchmark.table(rates), *judged(rates), sep="\n")


def main(argv: Sequence[str]) -> None:
    """Measure, then report the results."""
    options = arguments(argv)
    if options.profile:
        profile(options)
        return
    if not options.report:
        options.out.mkdir(exist_ok=True)
        rates = benchmark.read(options.out) if (options.out / "rounds.csv").exists() else {}
        for task in options.tasks:
            for network in options.networks:
                print(f"{task} {network} ...", file=sys.stderr, flush=True)
                with benchmark.workers(options.variants, work) as held:
                    rates[f"{task} {network}"] = measure(task, network, held, options)
                benchmark.write(options.out, rates)
        told = {"threads": options.threads, "rounds": options.rounds, "seconds": options.seconds}
        machine.write(options.out / "machine.json", ["games.py", *argv], **told)
    report(options.out)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = benchmark.parser(__doc__, ["pong"], 3, 4.0, benchmark.HERE / "games")
    parser.add_argument("--networks", type=lambda text: text.split(","), default=["nature", "small"])
    parser.add_argument("--variants", type=lambda text: text.split(","), default=VARIANTS)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
