"""Records the experts' episodes, 16 each, without noise: demonstrations/TASK-seedN of the Nth expert of a task.

    python experiments/demonstrations/record.py [FOLDER ...]    # default: runs/experts

Seed 101 is the first expert, and so on; demonstrations/expert-TASK-seedN is a link to its run. The episodes of Ant's experts
differ much: half of them end on its back. There the best 16 of 64 episodes by return are kept, otherwise the first 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rlhp import analysis, report
from rlhp.analysis.experiment import script
from rlhp.run import finished, read_settings
from rlhp.types import UserError

FOLDERS, OUT = [Path("runs/experts")], Path("demonstrations")
EPISODES, FIRST_SEED, STEPS = 16, 101, 10_000
BEST_OF = {"ant": 64}


def main(arguments: Sequence[str]) -> None:
    """Record the experts that are not recorded yet."""
    runs = [run for run in analysis.find([Path(folder) for folder in arguments] or FOLDERS) if finished(run)]
    if not runs:
        raise UserError("there are no finished experts: train them first, rlhp train -m experiment=experts.")
    OUT.mkdir(exist_ok=True)
    for run in runs:
        settings = read_settings(run)
        name = f"{settings['task']}-seed{settings['seed'] - FIRST_SEED + 1}"
        if not (OUT / name).exists():
            print(report.demonstrate(run, OUT / name, EPISODES, BEST_OF.get(settings["task"]), 0, STEPS), flush=True)
        if not (OUT / f"expert-{name}").is_symlink():
            (OUT / f"expert-{name}").symlink_to(run.resolve())


if __name__ == "__main__":
    script(main)
