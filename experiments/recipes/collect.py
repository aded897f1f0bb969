"""Collect every trial of the sweeps that found the recipes, one row each.

    python experiments/recipes/collect.py runs/recipes

Reads all run directories below, finished or not, and writes trials.csv next to this file: the settings that were tried, the steps
of the run, and the mean true return of the episodes that ended in the last 5 % of these steps. Existing rows are kept, so a
sweep's folder can be deleted once it has been collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hydra.utils import instantiate

from rlhp.analysis import RunData, find, load
from rlhp.analysis.experiment import script
from rlhp.csv_records import write_csv
from rlhp.length import value
from rlhp.run import read_settings
from rlhp.run.files import read_table

TABLE = Path(__file__).parent / "trials.csv"
AGENT = ("n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "clip_range", "vf_coef", "max_grad_norm", "target_kl")
SCALE = ("normalise_reward", "reward_shift")
FIT = ("l2", "l2_rate", "fit_steps", "ema_window", "loss", "crop", "input_scaling", "members", "hidden", "reward_input", "of")
REWARD = (*FIT, "memory", "query", "min_segments_per_label", "intrinsic_reward", "refit")
COLUMNS = (
    *("env", "horizon", "condition", "labels", "seed", "n_envs", "early_resets", *AGENT, *SCALE),
    *("learning_rate", "net_arch", "log_std_init", "entropy_bonus", *REWARD, "total_steps", "steps", "final_return"),
)


def last_return(run: RunData) -> float:
    """Mean true return of the episodes that ended in the last 5 % of the steps so far; NaN if none ended."""
    step, value, episodes = run.ended()
    late = step > 0.95 * run.step
    return float(np.average(value[late], weights=episodes[late])) if late.any() else float("nan")


def kind(node: dict[str, Any] | None) -> str | None:
    """Return the name of a part of the configuration within its group."""
    return node["_target_"].rpartition(".")[2] if node else None


def loss(node: dict[str, Any]) -> str:
    """Format a loss with its settings."""
    settings = " ".join(f"{key}={value}" for key, value in node.items() if not key.startswith("_"))
    return f"{kind(node)} {settings}".strip()


def crop(node: dict[str, Any] | None) -> str | None:
    """Format the range of window lengths to which a reward model was fitted, as fractions of a segment."""
    return f"{node['low']:g} to {node['high']:g}" if node and node.get("low", 1) < 1 else None


def early_resets(node: dict[str, Any] | None) -> str | None:
    """Format the fraction of the environments that is reset early, and the interval in steps."""
    return f"{node['fraction']:g} after {node['interval']}" if node and node["interval"] else None


def layers(sizes: Sequence[int] | None) -> str | None:
    """Format the widths of a network's hidden layers."""
    return None if sizes is None else "x".join(map(str, sizes)) or "none"


def learning(config: dict[str, Any]) -> dict[str, Any]:
    """Return how the reward was learned; empty for a run on the true reward."""
    model, schedule = config["reward_model"], instantiate(config["training_schedule"])
    if kind(model) == "frozen":  # the reward model of an earlier run
        return {"loss": "frozen", "reward_input": model.get("reward_input"), "of": Path(model["run"]).name}
    if kind(model) not in ("mlp_ensemble", "cnn_ensemble", "Ensemble"):  # the last: earlier runs
        return {"loss": kind(model)}
    return {
        **{"l2": model["regulariser"].get("initial"), "l2_rate": model["regulariser"].get("rate")},
        "fit_steps": f"{schedule(0, 1)}+{schedule.per_1000_steps}/1000",
        **{"ema_window": model.get("ema_window"), "loss": loss(model["loss"]), "crop": crop(model.get("augment"))},
        **{
            "input_scaling": kind(model.get("input_scaling")),
            "members": model.get("members"),
            "hidden": layers(model.get("hidden")),
        },
        "reward_input": model.get("reward_input"),
        **{"memory": kind(config["memory"]), "query": kind(config["query"])},
        "min_segments_per_label": value(config["query"].get("min_segments_per_label")),
        **{"intrinsic_reward": kind(config["agent"].get("intrinsic_reward")), "refit": kind(config["agent"].get("refit"))},
    }


def row(run: RunData) -> dict[str, Any]:
    """Return a trial: its settings and its results."""
    config = read_settings(run.path)
    agent = config["agent"]
    policy = agent["policy_kwargs"]
    return {
        **{
            "env": run.task,
            "horizon": config["env"]["horizon"],
            "condition": run.condition,
            "labels": run.labels,
            "seed": run.seed,
            "n_envs": config["n_envs"],
            "early_resets": early_resets(config.get("early_resets")),
        },
        **{name: value(agent.get(name)) for name in (*AGENT, *SCALE)},
        "learning_rate": agent["learning_rate"]["start"],
        "net_arch": layers(policy["net_arch"]),
        "log_std_init": policy["log_std_init"],
        "entropy_bonus": config["entropy_bonus"],
        **learning(config),
        "total_steps": run.total_steps,
        "steps": run.step,
        "final_return": f"{last_return(run):.1f}",
    }


def merged(rows: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Merge the rows with those of the table, each trial once: the one with the most steps."""
    text = [{c: "" if new.get(c) is None else str(new[c]) for c in COLUMNS} for new in rows]
    known = [{c: old.get(c, "") for c in COLUMNS} for old in read_table(TABLE)]  # supports tables with fewer columns
    best = {tuple(r[c] for c in COLUMNS[:-2]): r for r in sorted([*known, *text], key=lambda r: int(r["steps"]))}
    return [best[key] for key in sorted(best)]


def main(arguments: Sequence[str]) -> None:
    """Collect and write the trials, and print their number."""
    folders = [Path(folder) for folder in arguments] or [Path("runs/recipes")]
    trials = merged([row(load(path)) for path in find(folders)])
    write_csv(TABLE, COLUMNS, [[*trial.values()] for trial in trials])
    print(f"{len(trials)} trials in {TABLE}")


if __name__ == "__main__":
    script(main)
