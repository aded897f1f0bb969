"""First light: do 700 labels train as good a policy as the true reward does?

    python experiments/first_light/analysis.py [runs/first_light]

Reads the sweep's run directories, writes results.csv and first_light.png (with the CSV behind it) beside this file, and
prints how far each condition comes from the random policy. Without run directories the table is printed from results.csv.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rlhp.analysis import Result, plot, read_results, write_results
from rlhp.analysis.baseline import random_returns
from rlhp.analysis.script import script
from rlhp.analysis.study import sort_out
from rlhp.types import UserError

HERE = Path(__file__).parent
TASKS = ("halfcheetah", "hopper", "reacher")
CONDITIONS = (("true_reward", 0), ("preferences", 700))
ENOUGH = 0.9  # the claim: this share of the true reward's gain over the random policy


def line(task: str, rows: Sequence[Result], random: float) -> str:
    """One line of the table: both conditions, seeds in brackets, the random policy, the ratio and the verdict."""
    seeds = [[r.final_return for r in rows if (r.env, r.condition, r.labels) == (task, *key)] for key in CONDITIONS]
    cells = [f"{np.mean(s):9.1f} ({', '.join(f'{x:.1f}' for x in s)})" if s else f"{'-':>9}" for s in seeds]
    if not all(seeds):
        verdict = "  incomplete"
    else:
        true, preferences = map(np.mean, seeds)
        ratio = (preferences - random) / (true - random)
        verdict = f"{ratio:7.2f}  {'PASS' if ratio >= ENOUGH else 'FAIL'}"
    return f"{task:<12}{cells[0]:<36}{cells[1]:<36}{random:>8.1f}{verdict}"


def table(rows: Sequence[Result], random: dict[str, float]) -> str:
    """Final returns per task, mean and seeds, with the share of the true reward's gain that 700 labels reach."""
    header = f"{'task':<12}{'true reward (seeds)':<36}{'700 labels (seeds)':<36}{'random':>8}{'ratio':>7}"
    return "\n".join([header, *(line(task, rows, random[task]) for task in TASKS)])


def measure(folder: Path) -> None:
    """Write the results and the picture of the finished runs."""
    found = sort_out([folder])
    print(found)
    if not found.done:
        raise UserError(f"No run in {folder} is finished yet.")
    write_results(found.done, HERE / "results.csv")
    print(*plot([run.path for run in found.done], HERE / "first_light.png"), HERE / "results.csv", sep="\n")


def main(arguments: Sequence[str]) -> None:
    """Measure where there are runs, then print the table from results.csv."""
    folder = Path(arguments[0] if arguments else "runs/first_light")
    if folder.is_dir():
        measure(folder)
    else:
        print(f"{folder} is not there: the table is that of results.csv.")
    print(table(read_results(HERE / "results.csv"), {task: float(random_returns(task).mean()) for task in TASKS}))


if __name__ == "__main__":
    script(main)
