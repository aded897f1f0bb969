"""What DAgger and SMILe come to beside their expert: one row a run, in a CSV file and on the screen.

    rlhp train -m condition=dagger,smile env=hopper expert=EXPERT name=interaction
    python experiments/demonstrations/interaction.py runs/interaction

Policy and expert act in the same new environments, which nothing was chosen by. `share` is the policy's return over the
expert's, both counted from that of a random policy (experiments/figure2/random.csv); `failed` is the share of episodes in which
the policy comes to less than half of the expert's mean, counted so; `expert_failed` is the same of the expert itself.
"""

from __future__ import annotations

import argparse
import csv
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from rlhp import evaluate
from rlhp.run.record import read_table
from rlhp.train import load
from rlhp.types import Array

HERE = Path(__file__).parent
RANDOM = {row["env"]: float(row["mean"]) for row in read_table(HERE.parent / "figure2" / "random.csv")}
SEED = 10_000


@cache
def returns(run: Path, episodes: int) -> Array:
    """True returns of the run's policy, each component acting by its mean."""
    trained = load(run)
    env = trained.make_env(min(episodes, 25), SEED)
    torch.manual_seed(SEED)
    try:
        return evaluate.returns(partial(trained.policy, deterministic=True), env, episodes)
    finally:
        env.close()


def row(run: Path, episodes: int) -> dict[str, Any]:
    """The run's settings that matter, and its numbers."""
    settings, rounds = load(run).settings, read_table(run / "metrics.csv")
    loop, nothing = settings["loop"], RANDOM[settings["task"]]
    policy, expert = returns(run, episodes), returns(Path(settings["expert"]), episodes)
    half = nothing + (expert.mean() - nothing) / 2
    numbers = {
        "return": policy.mean(),
        "min": policy.min(),
        "expert": expert.mean(),
        "expert_min": expert.min(),
        "share": (policy.mean() - nothing) / (expert.mean() - nothing),
        "failed": (policy < half).mean(),
        "expert_failed": (expert < half).mean(),
    }
    return {
        "method": settings["condition"],
        "env": settings["task"],
        "seed": settings["seed"],
        "rounds": len(rounds),
        "labelled": int(rounds[-1]["labelled"]),
        "keep": loop["keep"],
        "best_round": int(float(rounds[-1]["best_round"])),
        "episodes": episodes,
        **{name: f"{value:.4g}" for name, value in numbers.items()},
        "by_round": " ".join(f"{float(each['true_return']):.4g}" for each in rounds),
        "error_by_round": " ".join(f"{float(each['expert_error']):.2g}" for each in rounds),
    }


def main() -> None:
    """Measure the runs that are given, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--out", type=Path, default=HERE / "interaction.csv")
    options = parser.parse_args()
    runs = sorted(path.parent for folder in options.folders for path in folder.glob("**/finished.json"))
    rows = [row(run, options.episodes) for run in runs]
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    shown = ("method", "env", "seed", "return", "expert", "share", "failed", "expert_failed")
    for each in rows:
        print("  ".join(f"{key} {each[key]}" for key in shown))


if __name__ == "__main__":
    main()
