"""One run: trains it in its directory, or loads what it has learned."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rlhp.agent import Blind, stack_frames
from rlhp.csv_records import write_records
from rlhp.precision import best_precision
from rlhp.reward import AsynchronousReward
from rlhp.run import (
    HELDOUT,
    PLAN,
    Heldout,
    RunDirectory,
    annotators_of,
    begun,
    check_owner,
    create,
    finished,
    is_fit,
    last_checkpoint,
    locked_run,
    note_attempt,
    read_settings,
    write_whole,
)
from rlhp.schedule import ExtendableSchedule
from rlhp.store import Store, UndoWindow
from rlhp.train import page
from rlhp.train.build import Settings, Unbuildable, build, component, settings_of, stateful
from rlhp.train.predictions import Predictions
from rlhp.types import Array, Filming, Rollout, Segment, Setup, Steps, Stopped, UserError, stack

PRECISIONS = {
    "precision": "reward_model",
    "agent_precision": "agent",
}  # fields of an attempt, and the components whose precision they record


def train(settings: Settings, path: Path) -> None:
    """Train in the run directory `path`, or continue from its last complete checkpoint; a finished run is left as it is."""

    def admit() -> None:
        annotators_of(settings)
        check_owner(path, with_chosen_precision(settings, path))

    with locked_run(path, admit):
        if finished(path):
            print(f"{path} is finished already; continue it with rlhp extend, or train a new run with name=...", file=sys.stderr)
            return
        settings = with_chosen_precision(settings, path)
        create(path, settings)
        torch.set_num_threads(settings["torch_threads"])
        work(build(settings), path)


def work(setup: Setup, path: Path, **facts: Any) -> None:
    """Train in a directory that this process has locked and that has these settings; `facts` are recorded for the attempt."""
    served: Mapping[str, Any] = setup.settings.get("page") or {}
    needs_page = bool(served) and served.get("serve", True) and setup.schedule(setup.total_steps) > 0
    with page.page(path, needs_page, annotators_of(setup.settings)):
        _run(setup, path, UndoWindow.of(served), facts)


def with_chosen_precision(settings: Settings, path: Path) -> Settings:
    """The settings with each `auto` precision replaced by that of the run's start, or by the best one for this machine.

    Without `agent.fast` that is float32, since only the fast implementation has another.
    """
    automatic = [name for name in ("reward_model", "agent") if settings.get(name, {}).get("precision") == "auto"]
    earlier = read_settings(path) if automatic and begun(path) else {}
    return {**settings, **{name: _precise(settings[name], earlier.get(name, {})) for name in automatic}}


def _precise(node: Settings, earlier: Settings) -> Settings:
    best = "float32" if node.get("fast") is False else best_precision(node.get("device", "cpu"))
    return {**node, "precision": earlier.get("precision") or best}


def _run(setup: Setup, path: Path, rest: UndoWindow, facts: Mapping[str, Any]) -> None:
    total, settings = setup.total_steps, setup.settings
    run = RunDirectory(path, stateful(setup), total_steps=total, checkpoint_every=settings["checkpoint_every"])
    precisions = {name: settings[part].get("precision") for name, part in PRECISIONS.items()}
    note_attempt(path, **precisions, step=run.resumed_from, **facts)
    _plan(setup, path)
    run.restore()
    store = Store(path / "preferences.sqlite", rest=rest, sleep=run.controls.sleep, kind=settings["feedback"])
    store.restore(run.resumed_from)
    run.sync = store.sync
    why = page.reason(path, setup.schedule(0), lambda: store.answered)
    store.waiting = lambda waiting: run.say(why(waiting))
    run.controls.grow = lambda added: _grow(setup, run, added)
    if setup.settings.get("page"):
        _predict(setup, store, run)
    try:
        run.open(setup.tracker, labels=setup.schedule(total))
        _learn(setup, store, run)
    except Stopped:
        print(page.stopped(path, run.stopped(), total), file=sys.stderr)
    store.close()
    setup.env.close()


def _learn(setup: Setup, store: Store, run: RunDirectory) -> None:
    """Train from the current state to the end of the run."""
    assert setup.loop is not None
    setup.loop(store, run)
    used = _used(setup.schedule(setup.total_steps), store, run)
    if used["why"] and used["why"] not in run.warned.values():
        run.warn("labels", f"{used['used']} of {used['wanted']} labels are used: {used['why']}")
    run.finish(lambda folder: write_heldout(folder / HELDOUT, setup.memory.heldout, setup.reward), labels=used)


def _predict(setup: Setup, store: Store, run: RunDirectory) -> None:
    """Record the predictions of r-hat, for the people who answer."""
    reward = setup.reward
    if isinstance(reward, AsynchronousReward):
        reward.before = Predictions(
            run.path, store, lambda clip: float(reward(as_rollout(stack([clip]))).sum()), setup.schedule(0), run.resumed_from
        )


def _plan(setup: Setup, path: Path) -> None:
    """Record how many labels are requested."""
    first, requested = setup.schedule(0), setup.schedule(setup.total_steps)
    write_whole(path / PLAN, json.dumps({"first_labels": first, "labels": requested}) + "\n")


def _grow(setup: Setup, run: RunDirectory, added: tuple[tuple[int, int], ...]) -> None:
    """Use more labels than the settings request."""
    if isinstance(setup.schedule, ExtendableSchedule):
        setup.schedule.added = added
        _plan(setup, run.path)
        run.set_labels(setup.schedule(setup.total_steps))


def _used(requested: int, store: Store, run: RunDirectory) -> dict[str, int | str]:
    """How many labels were requested, asked, answered and used; `why`: the reason if fewer were useful, else empty."""
    asked, answered, used = store.asked, store.answered, store.used
    reasons = (
        (asked < requested, run.warned.get("clips", f"memory held too few clips for {requested - asked} queries")),
        (answered < asked, f"{asked - answered} of {asked} queries were not answered" if answered else "nobody answered"),
        (used < answered, f"{answered - used} of {answered} answers came too late to be used"),
        (True, run.warned.get("answers", "")),
    )
    why = "; ".join(text for holds, text in reasons if holds and text)
    return {"wanted": requested, "asked": asked, "answered": answered, "used": used, "why": why}


def write_heldout(path: Path, segments: Sequence[Segment], reward: Any) -> None:
    """Write the true and predicted returns of the held-out clips, one per row."""
    rows: list[Heldout] = []
    if segments:
        steps = stack(segments)
        predicted = reward(as_rollout(steps)).sum(axis=0)
        rows = [Heldout(*pair) for pair in zip(steps.true_reward.sum(axis=1).tolist(), predicted.tolist(), strict=True)]
    write_records(Heldout, path, rows)


def as_rollout(steps: Steps) -> Rollout:
    """View n clips of L steps as a rollout of L steps in n environments."""
    obs, act, true_reward = (np.swapaxes(x, 0, 1) for x in (steps.obs, steps.act, steps.true_reward))
    return Rollout(obs, act, true_reward, np.zeros(true_reward.shape, dtype=bool), None, np.zeros(0))


@dataclass(frozen=True, slots=True)
class Trained:
    """The policy of a run's newest checkpoint."""

    settings: Settings
    agent: Blind

    def policy(self, obs: Array, deterministic: bool = True) -> Array:
        """Actions [N, *A] for observations of `make_env`'s environments [N, *O]."""
        return self.agent.act(obs, deterministic)

    def make_env(self, n_envs: int, seed: int, render: bool = False) -> Any:
        """New environments of the run's task, with frames stacked if the policy reads stacks; their reward is the true one.

        `render`: whether a Gymnasium environment can be rendered, frame by frame where there is no other way.
        """
        return stack_frames(environment(self.settings, n_envs=n_envs, seed=seed, render=render))


def load(path: Path) -> Trained:
    """Load the policy of a run directory's newest checkpoint. Raises UserError if there is none, or settings do not fit."""
    settings = read_settings(path)
    if is_fit(path, settings):
        raise UserError(
            f"{path} holds a reward model and no policy; train one on it with reward_model=frozen reward_model.run={path}"
        )
    with settings_of(path):
        env = environment(settings, n_envs=settings["n_envs"], seed=0)
        agent = component("agent", settings["agent"])(env)
        env.close()  # the agent needs only its spaces
        _restore_policy(agent, last_checkpoint(path)["agent"])
    return Trained(settings, agent)


def _restore_policy(agent: Blind, state: Mapping[str, Array]) -> None:
    try:
        agent.restore_policy(dict(state))
    except (KeyError, RuntimeError) as error:  # of torch
        raise Unbuildable(f"agent builds another network than that of the checkpoint ({' '.join(str(error).split())})") from error


def environment(settings: Settings, *, n_envs: int, seed: int, render: bool = False) -> Any:
    """New environments of a run's task. `render`: whether a Gymnasium environment can be rendered."""
    node = {**settings["env"], "n_envs": n_envs, "seed": seed}
    if render and "watched" in node:
        node["watched"] = True
    elif render and "kwargs" in node:
        node["kwargs"] = {**node["kwargs"], "render_mode": "rgb_array"}
    env = component("env", node)
    if render and isinstance(env, Filming) and env.films:
        env.film(lambda: 1)
    return env
