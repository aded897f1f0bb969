"""Build the parts from the configuration, and learn. The only module that knows Hydra."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rlhp.agent import Blind
from rlhp.loop import learn
from rlhp.run import RunDirectory, claim, finished
from rlhp.store import Store
from rlhp.types import Array, Effort, Rollout, Schedule, Segment, Select, Teacher, UserError, stack


@dataclass(frozen=True, slots=True)
class Parts:
    """What `learn` is given, built from one configuration."""

    env: Any
    agent: Blind
    memory: Any
    select: Select
    teacher: Teacher
    reward: Any
    schedule: Schedule
    effort: Effort
    tracker: Any

    def stateful(self) -> dict[str, Any]:
        """The parts that a checkpoint holds."""
        named = {"agent": self.agent, "memory": self.memory, "reward": self.reward, "teacher": self.teacher}
        return {name: part for name, part in named.items() if hasattr(part, "snapshot")}


def build(cfg: Mapping[str, Any]) -> Parts:
    """The parts of a resolved configuration. Raises UserError where they cannot work together."""
    built = instantiate(cfg, _convert_="all")
    env = built["env"]
    agent = built["agent"](env)
    reward = built["reward_model"](env.observation_space, env.action_space)
    names = ("memory", "query", "teacher", "reward", "schedule", "effort", "tracker")
    parts = Parts(env, agent, *(({**built, "reward": reward})[name] for name in names))
    _check(cfg, parts)
    return parts


def _check(cfg: Mapping[str, Any], parts: Parts) -> None:
    """What single parts cannot know. Raises UserError."""
    clip, steps, horizon = cfg["clip_steps"], parts.agent.n_steps, getattr(parts.env, "horizon", None)
    if clip > steps:
        raise UserError(f"clips of {clip} steps are longer than a rollout of {steps}; lower clip_steps or raise agent.n_steps.")
    if horizon is not None and clip > horizon:
        raise UserError(f"clips of {clip} steps are longer than an episode of {horizon}; lower clip_steps.")
    if cfg["max_open"] is not None and cfg["max_open"] < 0:
        raise UserError("max_open counts questions; set it to 0 or more, or to null to never wait.")
    if cfg["max_open"] is not None and getattr(parts.teacher, "needs_time", False):
        raise UserError("this teacher answers as training goes on, so waiting for it would never end; set max_open=null.")
    if cfg["total_steps"] < 1:
        raise UserError(f"total_steps counts environment steps; set it to 1 or more, not {cfg['total_steps']}.")
    _check_memory(cfg, parts)


def _check_memory(cfg: Mapping[str, Any], parts: Parts) -> None:
    """The first questions wait for clips; a memory too small for them would keep training waiting for ever."""
    first, clips, per_label = parts.schedule(0), cfg["query"]["clips"], cfg["query"]["clips_per_label"]
    needed = first * clips * per_label // 2
    if needed > cfg["memory"]["capacity"]:
        raise UserError(
            f"the first {first} questions are chosen from {needed} clips, and memory holds {cfg['memory']['capacity']}; "
            f"set memory.capacity={needed} or lower labels."
        )


def train(cfg: Mapping[str, Any], path: Path) -> None:
    """Train in the run directory `path`, or go on from its last complete checkpoint; a finished run is left as it is."""
    claim(path, cfg)
    if finished(path):
        print(f"{path} is finished; for another run of the same settings give it a name: name=...", file=sys.stderr)
        return
    torch.set_num_threads(cfg["torch_threads"])
    parts = build(cfg)
    run = RunDirectory(path, parts.stateful(), total_steps=cfg["total_steps"], checkpoint_every=cfg["checkpoint_every"])
    run.restore()
    store = Store(path / "preferences.sqlite")
    store.restore(run.resumed_from)
    run.open(parts.tracker)
    learn(
        parts.agent,
        parts.memory,
        parts.select,
        parts.teacher,
        store,
        parts.reward,
        parts.schedule,
        parts.effort,
        run,
        total_steps=cfg["total_steps"],
        max_open=cfg["max_open"],
    )
    run.finish(lambda folder: write_heldout(folder / "heldout.csv", parts.memory.heldout, parts.reward))
    parts.env.close()


def write_heldout(path: Path, segments: Sequence[Segment], reward: Any) -> None:
    """True and predicted return of the clips that nobody was ever asked about, one row each."""
    rows: list[tuple[float, float]] = []
    if segments:
        steps = stack(segments)
        predicted = reward(_as_rollout(steps.obs, steps.act, steps.true_reward)).sum(axis=0)
        rows = list(zip(steps.true_reward.sum(axis=1).tolist(), predicted.tolist(), strict=True))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("true_return", "predicted_return"))
        writer.writerows((f"{a:.6g}", f"{b:.6g}") for a, b in rows)


def _as_rollout(obs: Array, act: Array, true_reward: Array) -> Rollout:
    """n clips of L steps, read as L steps of n environments."""
    obs, act, true_reward = (np.swapaxes(x, 0, 1) for x in (obs, act, true_reward))
    return Rollout(obs, act, true_reward, np.zeros(true_reward.shape, dtype=bool), None, np.zeros(0))


def job(cfg: DictConfig) -> None:
    """One run of Hydra's: resolve the configuration, then forget Hydra."""
    resolved = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    assert isinstance(resolved, dict)
    train({str(k): v for k, v in resolved.items()}, Path(HydraConfig.get().runtime.output_dir))


def main(argv: Sequence[str]) -> Path | None:
    """`rlhp train ARGV`: Hydra's overrides and flags. Returns the run directory, or None after a sweep."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come out whole; the command line tells the user's from ours
    sys.argv = ["rlhp train", *argv]
    where: list[Path] = []

    def task(cfg: DictConfig) -> None:
        job(cfg)
        where.append(Path(HydraConfig.get().runtime.output_dir))

    hydra.main(version_base="1.3", config_path="pkg://rlhp.conf", config_name="config")(job if "-m" in argv else task)()
    return where[0] if len(where) == 1 else None


if __name__ == "__main__":
    main(sys.argv[1:])
