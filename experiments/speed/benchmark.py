"""Training speed as a share of the simulator's own speed.

    python experiments/speed/benchmark.py [--tasks hopper,walker] [--rounds 5] [--seconds 3.3] [--threads N] [KEY=VALUE ...]
    python experiments/speed/benchmark.py --profile
    python experiments/speed/benchmark.py --report

Measures five variants of stepping each task, in turn within each round, and writes results.csv (medians), rounds.csv (every
round), machine.json and speed.png next to this file; prints the table and the targets. `KEY=VALUE` are settings of `rlhp train`.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import machine
import shares
import targets
from hydra import compose, initialize_config_module
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from omegaconf import OmegaConf
from variants import Settings, Window, work

from rlhp.csv_records import read_records, write_records

HERE = Path(__file__).parent
TASKS = ("hopper", "walker", "ant", "halfcheetah", "swimmer")
VARIANTS = ("raw", "sampling", "loop_true", "loop_700", "sb3")
LOOPS = {"loop_700": ("labels=700",), "loop_true": ("condition=true_reward",)}
PROFILES = {"profile_700": LOOPS["loop_700"], "profile_true": LOOPS["loop_true"]}
Work = Callable[[str, Connection, str], None]  # main function of a process: variant, connection, folder
Rates = dict[str, list[float]]  # variant -> environment steps per second, one number per round


@dataclass(frozen=True, slots=True)
class Result:
    """A row of results.csv: the medians over the rounds."""

    env: str
    what: str
    steps_per_s: Annotated[float, ".0f"]
    ratio_to_raw: Annotated[float, ".4f"]  # median of the ratios within each round
    rounds: int


@dataclass(frozen=True, slots=True)
class Round:
    """A row of rounds.csv."""

    env: str
    what: str
    round: int
    steps_per_s: Annotated[float, ".1f"]


# Measuring


class Worker:
    """A process that runs one variant."""

    def __init__(self, variant: str, folder: str, work: Work = work) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(variant, theirs, folder))
        self._process.start()
        theirs.close()

    def begin(self, settings: Settings) -> Window:
        """Build the variant; return what it did before it was ready to be measured."""
        self._connection.send(settings)
        return self._received()

    def window(self, seconds: float) -> Window:
        """Run the variant for this long, to the end of its current rollout."""
        self._connection.send(seconds)
        return self._received()

    def end(self) -> Connection:
        """End the variant; its last messages can be read from the returned connection."""
        self._connection.send(None)
        return self._connection

    def close(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.join()

    def _received(self) -> Any:
        received = self._connection.recv()
        if isinstance(received, Exception):
            raise received
        return received


@contextmanager
def workers(variants: Sequence[str], work: Work = work) -> Iterator[dict[str, Worker]]:
    """Start one process per variant; their files are deleted at the end."""
    with tempfile.TemporaryDirectory() as folder:
        held = {variant: Worker(variant, folder, work) for variant in variants}
        try:
            yield held
        finally:
            for worker in held.values():
                worker.close()


def configuration(task: str, threads: int, overrides: Sequence[str]) -> dict[str, Any]:
    """Compose the settings of `rlhp train env=TASK` with these threads."""
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        settings = compose("config", [f"env={task}", f"threads={threads}", "name=speed", *overrides])
    resolved = OmegaConf.to_container(settings, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def measure(task: str, held: dict[str, Worker], options: argparse.Namespace) -> Rates:
    """Measure each variant's rate in each round; the variants alternate within a round, and each round starts with another."""
    names, rates = list(held), {name: [] for name in held}
    starts: dict[str, Window] = {}
    for name, worker in held.items():
        settings = configuration(task, options.threads, [*LOOPS.get(name, LOOPS["loop_true"]), *options.overrides])
        starts[name] = worker.begin(settings)
    for i in range(options.rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            window = held[name].window(options.seconds)
            rates[name].append(whole_run(starts[name], window, settings["total_steps"]) if name in LOOPS else window.rate)
    for worker in held.values():
        worker.end()
    return rates


def whole_run(start: Window, window: Window, total_steps: int) -> float:
    """Compute steps per second of a run of `total_steps` with this start, which then continues at the rate of the window."""
    return total_steps / (start.seconds + (total_steps - start.steps) / window.rate)


# Reporting


def summarise(task: str, rates: Rates) -> list[Result]:
    """Compute medians over the rounds; ratios are computed within a round, in which the machine's state is the same."""
    return [
        Result(task, name, median(values), median(v / r for v, r in zip(values, rates["raw"], strict=True)), len(values))
        for name, values in rates.items()
    ]


def write(folder: Path, rates: dict[str, Rates]) -> None:
    """Write results.csv and rounds.csv."""
    results = [result for task, each in rates.items() for result in summarise(task, each)]
    write_records(Result, folder / "results.csv", results)
    every = [Round(task, name, *pair) for task, each in rates.items() for name, vs in each.items() for pair in enumerate(vs)]
    write_records(Round, folder / "rounds.csv", every)


def read(folder: Path) -> dict[str, Rates]:
    """Read the rates of rounds.csv."""
    rates: dict[str, Rates] = {}
    for row in read_records(Round, folder / "rounds.csv"):
        rates.setdefault(row.env, {}).setdefault(row.what, []).append(row.steps_per_s)
    return rates


def table(rates: dict[str, Rates]) -> str:
    """Format median, minimum and maximum of each variant in steps per second, and its median share of raw."""
    lines = [f"{'task':<16}{'variant':<12}{'steps/s':>9}{'min':>9}{'max':>9}{'of raw':>9}"]
    for task, each in rates.items():
        for r in summarise(task, each):
            low, high = min(each[r.what]), max(each[r.what])
            lines.append(f"{task:<16}{r.what:<12}{r.steps_per_s:>9,.0f}{low:>9,.0f}{high:>9,.0f}{r.ratio_to_raw:>9.1%}")
    return "\n".join(lines)


INK = "#333333"
COLOURS = {"sampling": "#0072B2", "loop_true": "#009E73", "loop_700": "#D55E00", "sb3": "#8A8A8A"}
NAMES = {
    "sampling": "sampling: act, step, record",
    "loop_true": "whole loop, true reward",
    "loop_700": "whole loop, 700 labels",
    "sb3": "Stable-Baselines3, true reward",
}


def draw(path: Path, rates: dict[str, Rates]) -> None:
    """Draw bars of each variant's share of raw physics, with thin lines from minimum to maximum over the rounds."""
    figure = Figure(figsize=(9.5, 4.2), dpi=160, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for i, name in enumerate(COLOURS):
        for x, each in enumerate(rates.values()):
            _bar(axes, x + 0.2 * (i - 1.5), name, each, label=NAMES[name] if x == 0 else None)
    raw = [median(each["raw"]) for each in rates.values()]
    axes.set_xticks(range(len(rates)), [f"{task}\nraw {rate / 1000:,.1f}k" for task, rate in zip(rates, raw, strict=True)])
    axes.axhline(1, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    axes.set_ylim(0, 1.08)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel("Share of the raw physics' steps per second", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color="#BBBBBB", labelcolor=INK, labelsize=8.5, length=3)
    figure.legend(loc="outside upper center", ncols=4, frameon=False, labelcolor=INK, fontsize=8.5)
    figure.savefig(path)


def _bar(axes: Axes, x: float, name: str, each: Rates, label: str | None) -> None:
    ratios = [value / raw for value, raw in zip(each[name], each["raw"], strict=True)]
    middle, rate = median(ratios), median(each[name])
    axes.bar(x, middle, width=0.18, color=COLOURS[name], label=label)
    axes.vlines(x, min(ratios), max(ratios), color=INK, linewidth=0.8)
    axes.text(x, max(ratios) + 0.012, f"{rate / 1000:.1f}k", ha="center", va="bottom", fontsize=6.5, color=INK)


def profile(options: argparse.Namespace) -> None:
    """Print the time of each part of the whole loop, with 700 labels and on the true reward."""
    with workers(list(PROFILES)) as held:
        for task in options.tasks:
            columns = {}
            for name, worker in held.items():
                worker.begin(configuration(task, options.threads, [*PROFILES[name], *options.overrides]))
                window = worker.window(max(options.seconds, 8.0))
                columns[name] = (worker.end().recv(), window.steps)
            print(f"\n{task}\n{shares.table(columns, per=2048)}", flush=True)


def report(folder: Path) -> None:
    """Draw the figure and print table and targets from the files of the last measurement."""
    rates = read(folder)
    draw(folder / "speed.png", rates)
    print(table(rates))
    print("\n" + targets.table(rates, folder))


def main(argv: Sequence[str]) -> None:
    """Measure, then report the results."""
    options = parser(__doc__, TASKS, 5, 3.3, HERE).parse_args(argv)
    if options.profile:
        profile(options)
        return
    if not options.report:
        rates = {}
        with workers(VARIANTS) as held:
            for task in options.tasks:
                print(f"{task} ...", file=sys.stderr, flush=True)
                rates[task] = measure(task, held, options)
                write(options.out, rates)
        settings = {"threads": options.threads, "rounds": options.rounds, "seconds": options.seconds}
        machine.write(options.out / "machine.json", ["benchmark.py", *argv], **settings)
    report(options.out)


def parser(description: str | None, tasks: Sequence[str], rounds: int, seconds: float, out: Path) -> argparse.ArgumentParser:
    """Return the options of a benchmark, with these defaults."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--tasks", type=lambda text: text.split(","), default=list(tasks), help="names, separated by commas")
    found.add_argument("--rounds", type=int, default=rounds)
    found.add_argument("--seconds", type=float, default=seconds, help="seconds per variant and round")
    found.add_argument("--threads", type=int, default=machine.cores(), help="threads of the environments; default: all cores")
    found.add_argument("--out", type=Path, default=out)
    found.add_argument("--profile", action="store_true", help="print the time of each part of the loop, and write nothing")
    found.add_argument("--report", action="store_true", help="do not measure; report from the files")
    found.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of rlhp train")
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
