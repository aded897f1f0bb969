"""Labels that are wanted are used: whatever the schedule, memory and length of run, all of them, or a refusal beforehand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlhp.loop import learn
from rlhp.memory import Mixed, Recent
from rlhp.query import Disagreement, Uniform
from rlhp.schedule import Annealed, Constant, GradientStepsPerStep, Upfront
from rlhp.store import Store
from rlhp.teacher import Noisy, Oracle
from rlhp.types import Evidence, Rollout, Setup, UserError


class Acts:
    """N environments of one number, whose episodes last `episode` steps."""

    def __init__(self, n_envs: int, n_steps: int, episode: int) -> None:
        self.num_envs, self.n_steps, self.horizon, self.num_timesteps = n_envs, n_steps, episode, 0
        self._rng = np.random.default_rng(0)

    def rollouts(self, total_steps: int) -> Iterator[Rollout]:
        while self.num_timesteps < total_steps:
            shape = self.n_steps, self.num_envs
            at = self.num_timesteps // self.num_envs + np.arange(1, self.n_steps + 1)
            cut = np.repeat((at % self.horizon == 0)[:, None], self.num_envs, axis=1)
            obs = self._rng.normal(size=(*shape, 1)).astype(np.float32)
            self.num_timesteps += self.n_steps * self.num_envs
            yield Rollout(obs, obs, obs[..., 0], cut, None, np.zeros(0))

    def update(self, reward: Any) -> dict[str, float]:
        return {}


class Predicts:
    """Members that disagree about everything."""

    def __call__(self, rollout: Rollout) -> Any:
        return rollout.true_reward

    def predict_members(self, steps: Any) -> Any:
        return np.stack([steps.obs[..., 0], -steps.obs[..., 0]])

    def begin(self, evidence: Evidence, effort: int) -> None:
        self.seen = len(evidence.comparisons)

    def fitted(self) -> dict[str, float]:
        return {}


class Notes:
    def __init__(self) -> None:
        self.warned: dict[str, str] = {}

    def log(self, step: int, metrics: Any) -> None: ...
    def end_step(self, step: int) -> None: ...
    def warn(self, topic: str, text: str) -> None:
        self.warned |= {topic: text} if text else {}


def drawn(seed: int) -> dict[str, Any]:
    """A run, anyhow; by its seed."""
    rng = np.random.default_rng(seed)

    def one_of(*options: Any) -> Any:
        return options[rng.integers(len(options))]

    n_envs, n_steps, length = int(rng.integers(1, 9)), int(rng.integers(8, 65)), int(rng.integers(1, 13))
    total, labels = int(rng.integers(500, 8_000)), int(rng.integers(1, 400))
    episode = int(rng.integers(max(length, 10), 200))
    capacity, per_label = int(rng.integers(2, 300)), one_of(0, 1, 2.5, 4)
    memory = one_of(Recent(length, capacity, seed), Mixed(length, capacity, seed, older=20))
    schedule = one_of(
        Annealed(labels, total, initial=one_of(0.0, 0.25, 1.0)), Constant(labels, total, initial=0.1), Upfront(labels)
    )
    clips = one_of(2, 2, 3)
    query = one_of(
        Uniform(seed=seed, clips=clips, min_segments_per_label=per_label),
        Disagreement(seed=seed, clips=clips, min_segments_per_label=per_label, candidates=3),
    )
    return {
        "agent": Acts(n_envs, n_steps, episode),
        "memory": memory,
        "query": query,
        "schedule": schedule,
        "teacher": one_of(Oracle(), Noisy(seed, beta=1.0, skip_below=0.0)),
        "total_steps": total,
    }


def trained(tmp_path: Path, run: dict[str, Any]) -> tuple[int, int, Notes]:
    """Labels used and wanted. Raises UserError where the query rule refuses the run."""
    agent, reward, notes = run["agent"], Predicts(), Notes()
    parts = {name: run[name] for name in ("memory", "query", "teacher", "schedule", "total_steps")}
    effort = GradientStepsPerStep(run["total_steps"], 1, 1)
    setup = Setup(
        env=agent,
        agent=agent,
        reward=reward,
        training_schedule=effort,
        tracker=None,
        max_pending=0,
        reset_interval=None,
        settings={},
        **parts,
    )
    run["query"].check(setup)
    tmp_path.mkdir(exist_ok=True)
    store = Store(tmp_path / "preferences.sqlite")
    order = agent, run["memory"], run["query"], run["teacher"], store, reward, run["schedule"], effort, notes
    learn(*order, total_steps=run["total_steps"], max_pending=0)
    used = store.used
    store.close()
    return used, run["schedule"](run["total_steps"]), notes


SEEDS = range(60)


def test_a_run_uses_all_of_its_labels_or_is_refused_or_says_so(tmp_path: Path) -> None:
    refused, short = [], []
    for seed in SEEDS:
        try:
            used, wanted, notes = trained(tmp_path / str(seed), drawn(seed))
        except UserError as error:
            assert "memory.capacity" in str(error) or "raise total_steps" in str(error), seed
            refused.append(seed)
            continue
        if used < wanted:  # episodes left room for fewer clips than could be known beforehand
            assert "memory held too few clips" in notes.warned["clips"], seed
            short.append(seed)
    assert 3 <= len(refused) <= len(SEEDS) // 3 and len(short) <= 2  # most of these runs can reach their budget, and do


def hopper(total_steps: int) -> dict[str, Any]:
    """Hopper's recipe: 700 labels about clips of 60 steps."""
    parts = {"agent": Acts(32, 64, 1000), "memory": Recent(60, 1500, 0), "query": Uniform(seed=0), "teacher": Oracle()}
    return parts | {"schedule": Annealed(700, total_steps), "total_steps": total_steps}


def test_a_schedule_that_outgrows_memory_catches_up(tmp_path: Path) -> None:
    """After the first questions 257 more are wanted at once, more than memory ever holds clips for."""
    assert trained(tmp_path, hopper(200_000))[:2] == (700, 700)


def test_a_run_too_short_for_its_first_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"can ask \d\d\d? of its 700 queries: the first 175 are selected from 700 clips"):
        trained(tmp_path, hopper(20_000))


def test_clips_that_fit_into_no_episode_are_complained_of(tmp_path: Path) -> None:
    run = drawn(0) | {
        "agent": Acts(2, 32, 3),
        "memory": Recent(25, 100, 0),
        "query": Uniform(seed=0),
        "schedule": Annealed(50, 4000),
        "teacher": Oracle(),
        "total_steps": 4000,
    }
    used, wanted, notes = trained(tmp_path, run)
    assert (used, wanted) == (0, 50) and "3 steps (median)" in notes.warned["clips"]
