"""One run: train it in its directory, or load what it has learned."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate

from rlhp.agent import Blind
from rlhp.loop import learn
from rlhp.run import RunDirectory, attempt, check_owner, claim, finished, last_checkpoint, read_settings
from rlhp.store import Rest, Store
from rlhp.train import page
from rlhp.train.build import Parts, Settings, build
from rlhp.types import Array, Rollout, Segment, Steps, stack


def train(settings: Settings, path: Path) -> None:
    """Train in the run directory `path`, or go on from its last complete checkpoint; a finished run is left as it is."""
    check_owner(path, settings)
    if finished(path):
        print(f"{path} is finished already; to train it anew, give it a name of its own with name=...", file=sys.stderr)
        return
    torch.set_num_threads(settings["torch_threads"])
    parts = build(settings)
    claim(path, settings)
    plan = {"first_labels": parts.schedule(0), "labels": parts.schedule(settings["total_steps"])}
    (path / "plan.json").write_text(json.dumps(plan) + "\n")
    with attempt(path), page.page(path, bool(settings.get("page"))):
        _run(settings, path, parts)


def _run(settings: Settings, path: Path, parts: Parts) -> None:
    total, every = settings["total_steps"], settings["checkpoint_every"]
    run = RunDirectory(path, parts.stateful(), total_steps=total, checkpoint_every=every)
    run.restore()
    store = Store(path / "preferences.sqlite", rest=Rest.of(settings.get("page")))
    store.restore(run.resumed_from)
    run.open(parts.tracker)
    why = page.reason(path, parts.schedule(0), lambda: store.answered)
    store.waiting = lambda waiting: run.say(why(waiting))
    _learn(settings, parts, store, run)
    run.finish(lambda folder: write_heldout(folder / "heldout.csv", parts.memory.heldout, parts.reward))
    store.close()
    parts.env.close()


def _learn(settings: Settings, parts: Parts, store: Store, run: RunDirectory) -> None:
    learn(
        parts.agent,
        parts.memory,
        parts.query,
        parts.teacher,
        store,
        parts.reward,
        parts.schedule,
        parts.effort,
        run,
        total_steps=settings["total_steps"],
        max_open=settings["max_open"],
    )


def write_heldout(path: Path, segments: Sequence[Segment], reward: Any) -> None:
    """True and predicted return of the clips that nobody was ever asked about, one row each."""
    rows: list[tuple[float, float]] = []
    if segments:
        steps = stack(segments)
        predicted = reward(_as_rollout(steps)).sum(axis=0)
        rows = list(zip(steps.true_reward.sum(axis=1).tolist(), predicted.tolist(), strict=True))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("true_return", "predicted_return"))
        writer.writerows((f"{a:.6g}", f"{b:.6g}") for a, b in rows)


def _as_rollout(steps: Steps) -> Rollout:
    """n clips of L steps, read as L steps of n environments."""
    obs, act, true_reward = (np.swapaxes(x, 0, 1) for x in (steps.obs, steps.act, steps.true_reward))
    return Rollout(obs, act, true_reward, np.zeros(true_reward.shape, dtype=bool), None, np.zeros(0))


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run has learned so far."""

    settings: Settings
    agent: Blind

    def policy(self, obs: Array, deterministic: bool = True) -> Array:
        """Raw observations [N, *O] -> actions [N, *A]."""
        return self.agent.act(obs, deterministic)

    def make_env(self, n_envs: int, seed: int, render: bool = False) -> Any:
        """The run's task, new; its reward is the true one. `render`: so that a Gymnasium environment can be drawn."""
        return _environment(self.settings, n_envs=n_envs, seed=seed, render=render)


def load(path: Path) -> Trained:
    """The policy in a run directory's newest checkpoint. Raises UserError where there is none."""
    settings = read_settings(path)
    agent = instantiate(settings["agent"], _convert_="all")(_environment(settings, n_envs=settings["n_envs"], seed=0))
    agent.restore_policy(last_checkpoint(path)["agent"])
    return Trained(settings, agent)


def _environment(settings: Settings, *, n_envs: int, seed: int, render: bool = False) -> Any:
    node = {**settings["env"], "n_envs": n_envs, "seed": seed}
    if render and "kwargs" in node:
        node["kwargs"] = {**node["kwargs"], "render_mode": "rgb_array"}
    return instantiate(node, _convert_="all")
