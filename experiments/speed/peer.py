"""Comparison with imitation's preference comparisons: the same tasks, steps, labels and cores, alternating in one run.

    python experiments/speed/peer.py [--tasks halfcheetah,hopper] [--runs 3] [--steps 100000] [--labels 350] [--iterations 5]

Creates .venv-imitation next to this file if it does not exist, trains with imitation and with rlhp in turn, evaluates both
policies, prints a line per run and writes peer.csv and peer-machine.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from time import perf_counter
from typing import Any

import machine
from benchmark import configuration
from peer_tasks import TASKS

from rlhp import evaluate
from rlhp.csv_records import write_csv
from rlhp.train import load, train

HERE = Path(__file__).parent
VENV = HERE / ".venv-imitation"
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
# imitation 1.0.1 pins Gymnasium 0.29 and Stable-Baselines3 2.2, and lists dependencies that only its scripts need; without its
# dependencies it works with the versions that rlhp uses, as the comparison requires
NEEDS = ("gymnasium[mujoco]", "stable-baselines3", "torch", "tensorboard", "scipy", "tqdm", "rich")
IMITATION = "imitation==1.0.1"
COLUMNS = ("task", "what", "run", "seconds", "true_return", "steps", "process_seconds")
EPISODES = 20  # for evaluating the policy


def python() -> Path:
    """Return the interpreter that has imitation; creates its venv if it does not exist."""
    binary, done = VENV / "bin" / "python", VENV / ".ready"
    if not done.exists():
        venv.create(VENV, clear=True, with_pip=True)
        pip = [str(binary), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--constraint", str(CONSTRAINTS), *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", IMITATION], check=True)
        done.touch()
    return binary


def ours(options: argparse.Namespace) -> None:
    """Train rlhp once, in its own process; seconds include building and training."""
    overrides = [f"total_steps={options.steps}", f"labels={options.labels}", f"seed={options.seed}", *options.overrides]
    settings = configuration(options.task, options.threads, overrides)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        began = perf_counter()
        train(settings, run)
        seconds = perf_counter() - began
        trained = load(run)
        returns = evaluate.returns(trained.policy, trained.make_env(10, 10_000 + options.seed), EPISODES)
        row = {"seconds": seconds, "true_return": float(returns.mean()), "steps": options.steps}
    options.ours.write_text(json.dumps(row) + "\n")


def timed(command: Sequence[str], out: Path) -> dict[str, float]:
    """Run a command; return what it writes to `out`, and the seconds of the whole process."""
    began = perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
    return {**json.loads(out.read_text()), "process_seconds": perf_counter() - began}


def commands(options: argparse.Namespace, task: str, seed: int, out: Path) -> dict[str, list[str]]:
    """Return the commands of both sides."""
    same = ["--task", task, "--steps", str(options.steps), "--labels", str(options.labels), "--seed", str(seed)]
    theirs = ["--iterations", str(options.iterations), "--torch-threads", str(options.torch_threads)]
    return {
        "imitation": [str(python()), str(HERE / "imitation_run.py"), str(out), *same, *theirs],
        "rlhp": [sys.executable, __file__, "--ours", str(out), *same, "--threads", str(options.threads), *options.overrides],
    }


def compare(options: argparse.Namespace, task: str) -> list[dict[str, Any]]:
    """Return a row per run of one task, imitation's and rlhp's in turn."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for i in range(options.runs):
            for what, command in commands(options, task, options.seed + i, Path(folder) / "run.json").items():
                row = {"task": task, "what": what, "run": i, **timed(command, Path(folder) / "run.json")}
                print(f"{task:<12} {what:<10} {row['seconds']:7.1f} s   true return {row['true_return']:8.1f}", flush=True)
                rows.append(row)
    return rows


def write(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write peer.csv."""
    cells = [[row[name] for name in COLUMNS] for row in rows]
    write_csv(path, COLUMNS, [[f"{value:.1f}" if isinstance(value, float) else value for value in row] for row in cells])


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """Format one task's median times, their ratio, and mean returns."""
    seconds = {what: [row["seconds"] for row in rows if row["what"] == what] for what in ("imitation", "rlhp")}
    returns = {what: mean(row["true_return"] for row in rows if row["what"] == what) for what in seconds}
    times = median(a / b for a, b in zip(seconds["imitation"], seconds["rlhp"], strict=True))
    lines = [f"{what:<10} {median(seconds[what]):7.1f} s   true return {returns[what]:8.1f}" for what in seconds]
    return "\n".join([f"{rows[0]['task']}, medians, mean returns:", *lines, f"rlhp is {times:.1f} times as fast"])


def main(argv: Sequence[str]) -> None:
    """Compare both, or, as a child process, run rlhp once."""
    options = arguments(argv)
    if options.ours:
        ours(options)
        return
    measured = [compare(options, task) for task in options.tasks]
    write(options.out / "peer.csv", [row for rows in measured for row in rows])
    machine.write(options.out / "peer-machine.json", ["peer.py", *argv], peer=IMITATION)
    print(*map(summary, measured), sep="\n")


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(TASKS))
    parser.add_argument("--runs", type=int, default=3, help="runs of each side")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=350)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; later runs increment it")
    parser.add_argument("--iterations", type=int, default=5, help="imitation's num_iterations")
    parser.add_argument("--torch-threads", type=int, default=1, help="imitation's")
    parser.add_argument("--threads", type=int, default=machine.cores(), help="threads that step rlhp's environments")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="settings of rlhp train")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main(sys.argv[1:])
