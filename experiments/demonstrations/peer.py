"""Compares GAIL with plain PPO and with imitation's GAIL: environment steps per second of processor time, alternating in one run.

    python experiments/demonstrations/peer.py DEMONSTRATIONS [--task halfcheetah] [--runs 3] [--steps 65536] [--venv FOLDER]

DEMONSTRATIONS is a folder written by rlhp demonstrate. On HalfCheetah the script creates a venv with imitation if there is none
yet, .venv-imitation next to this file or FOLDER, and also trains with imitation, with its tuned settings and with those of rlhp;
on other tasks it compares GAIL only with PPO. Every variant has one thread. Prints a line per run, and the ratios.
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
from statistics import median
from time import process_time

import numpy as np
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from rlhp import demonstrations
from rlhp.train import build, train

HERE = Path(__file__).parent
CONSTRAINTS = HERE.parents[1] / "constraints.txt"
# without its version pins imitation 1.0.1 works with the versions that rlhp uses, as the comparison requires
NEEDS = ("gymnasium[mujoco]", "stable-baselines3", "torch", "tensorboard", "scipy", "tqdm", "rich")
IMITATION = "imitation==1.0.1"
# AIRL without the initial clone of condition=airl, which is fitted only once
OURS = {"ppo": ["condition=true_reward"], "gail": ["condition=gail"], "airl": ["condition=gail", "reward_model=airl"]}
THEIRS = ("matched", "tuned")
EPISODES = 4  # of the demonstrations


def settings(task: str, steps: int, seed: int, source: str, overrides: Sequence[str]) -> dict:
    """Return the settings of a run of rlhp on one thread."""
    given = [f"env={task}", f"seed={seed}", f"total_steps={steps}", "threads=1", f"demos={source}", f"episodes={EPISODES}"]
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        resolved = OmegaConf.to_container(compose("config", [*given, *overrides]), resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    return resolved  # type: ignore[return-value]


def ours(options: argparse.Namespace) -> None:
    """Train rlhp once, in its own process, and write the time taken without imports."""
    cfg = settings(options.task, options.steps, options.seed, options.demonstrations, OURS[options.ours])
    began = process_time()
    train(cfg, options.out / "run")
    row = {"seconds": process_time() - began, "steps": options.steps}
    (options.out / "row.json").write_text(json.dumps(row) + "\n")


def python(folder: Path) -> Path:
    """Return the interpreter that has imitation; creates its venv if it does not exist."""
    binary, done = folder / "bin" / "python", folder / ".ready"
    if not done.exists():
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(binary), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--constraint", str(CONSTRAINTS), *NEEDS], check=True)
        subprocess.run([*pip, "--no-deps", IMITATION], check=True)
        done.touch()
    return binary


def for_imitation(options: argparse.Namespace, folder: Path) -> Path:
    """Write the demonstrations' steps to a file that numpy can read."""
    env = build(settings(options.task, options.steps, 1, options.demonstrations, OURS["ppo"])).env
    steps = demonstrations.load(options.demonstrations, env, EPISODES).transitions()
    np.savez(folder / "steps.npz", obs=steps.obs, act=steps.act, next_obs=steps.next_obs)
    return folder / "steps.npz"


def commands(options: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """Return the command of each variant, without seed and folder."""
    same = ["--steps", str(options.steps)]
    mine = {
        f"rlhp {k}": [sys.executable, __file__, options.demonstrations, "--task", options.task, "--ours", k, *same] for k in OURS
    }
    if options.task != "halfcheetah":
        return mine
    binary, steps = str(python(options.venv)), str(for_imitation(options, folder))
    return mine | {f"imitation {k}": [binary, str(HERE / "imitation_gail.py"), steps, "--settings", k, *same] for k in THEIRS}


def compare(options: argparse.Namespace) -> dict[str, list[float]]:
    """Measure steps per processor second of each variant in each round; the variants alternate."""
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        variants = commands(options, Path(folder))
        for i in range(options.runs):
            for name, command in variants.items():
                out = Path(folder) / f"{name}-{i}".replace(" ", "-")
                out.mkdir()
                done = subprocess.run(
                    [*command, "--seed", str(options.seed + i), "--out", str(out)], capture_output=True, text=True
                )
                if done.returncode:
                    raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
                row = json.loads((out / "row.json").read_text())
                rates.setdefault(name, []).append(row["steps"] / row["seconds"])
                print(f"{name:<18} {rates[name][-1]:9,.0f} steps per processor second", flush=True)
    return rates


def summary(rates: dict[str, list[float]]) -> str:
    """Format the medians, and the medians of the ratios within each round."""
    lines = [f"{name:<18} {median(each):9,.0f}" for name, each in rates.items()]
    pairs = [("rlhp ppo", name) for name in ("rlhp gail", "rlhp airl")] + [("rlhp gail", f"imitation {k}") for k in THEIRS]
    for fast, slow in pairs:
        if slow in rates:
            ratio = median(a / b for a, b in zip(rates[fast], rates[slow], strict=True))
            lines.append(f"{slow} takes {ratio:.2f} times the processor time of {fast}")
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """Compare the variants, or, as a child process, run rlhp once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("demonstrations")
    parser.add_argument("--task", default="halfcheetah")
    parser.add_argument("--runs", type=int, default=3, help="runs of each variant")
    parser.add_argument("--steps", type=int, default=65_536)
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; later runs increment it")
    parser.add_argument("--venv", type=Path, default=HERE / ".venv-imitation")
    parser.add_argument("--ours", choices=OURS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.ours:
        ours(options)
    else:
        print(summary(compare(options)))


if __name__ == "__main__":
    main(sys.argv[1:])
