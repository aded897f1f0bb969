"""`rlhp extend`: a run goes on beyond its end, as if it had been asked for more at once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from hydra.utils import instantiate

from rlhp.run import (
    GROWING,
    check_trainable,
    control,
    finished,
    last_checkpoint_step,
    locked_run,
    may_change,
    read_settings,
    reopen,
)
from rlhp.schedule import ExtendableSchedule
from rlhp.store import asked
from rlhp.train.build import build, parts
from rlhp.train.job import work
from rlhp.train.loops import Cloning
from rlhp.train.overrides import parse_override
from rlhp.train.rounds import Interaction
from rlhp.train.settings import check
from rlhp.types import Schedule, Setup, Stateful, TrainingSchedule, UserError

RATES = ("learning_rate", "clip_range", "clip_range_vf")  # of Stable-Baselines3, numbers or schedules
SHARES = (1.0, 0.75, 0.5, 0.25)  # of a run that may be left, at which a schedule is looked at


def extend(run: Path, words: Sequence[str], exact: bool = False) -> None:
    """Go on with a run to more `total_steps`, and `labels`, in its own directory; `words` are KEY=VALUE.

    Where all that the steps so far depend on is the same, the end is that of a run which was asked for so many at once, byte for
    byte on the CPU. What is not, such as a learning rate that falls towards the end, goes on as it would be in the longer run
    from here on; each is said in a sentence, or refused, with `exact`. Killed, the same command goes on with it.

    Raises UserError where there is no such run, where it is finished with so many steps already, for other settings than those
    that may differ, and for one that ends by choosing a policy.
    """
    before = read_settings(run)
    check_trainable(run)
    after = _extended(run, before, words)
    setups: list[Setup] = []

    def admit() -> None:
        setup = _admitted(run, before, after)
        differing = list(differences(run, before, setup))
        if differing and exact:
            raise UserError(f"this would not be the run that was asked for so many steps at once: {'; '.join(differing)}.")
        for sentence in differing:
            print(f"Not as if asked for at once: {sentence}.", file=sys.stderr)
        setups.append(setup)

    with locked_run(run, admit):
        reopen(run, after)
        old = int(before["total_steps"])
        work(setups[0], run, **({"extends": old} if old < setups[0].total_steps else {}))


def _extended(run: Path, before: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The settings with those that are to change. Raises UserError for such as cannot."""
    if "agent" not in before:
        raise UserError(f"{run} is a fit and has no training to go on with; fit again with total_steps=... and name=...")
    changes = dict(_change(word, before) for word in words)
    for key in GROWING:
        if changes.get(key, before[key]) < before[key]:
            raise UserError(f"{key}={changes[key]} is less than the {before[key]} of {run}; a run is extended by giving more.")
    after: dict[str, Any] = dict(before)
    for key, value in changes.items():
        after = _with(after, key.split("."), value)
    for key in GROWING:
        after = {name: node if name == key else _copied(node, key, before[key], after[key]) for name, node in after.items()}
    check(after)
    return after


def _change(word: str, before: Mapping[str, Any]) -> tuple[str, Any]:
    found = parse_override(word)
    if found is None or "=" not in word or found.is_sweep_override():
        raise UserError(f"{word!r} is not a setting; give KEY=VALUE, such as total_steps=2000000.")
    key, value = found.get_key_element(), cast(Any, found.value())
    if key not in GROWING and not may_change(key):
        raise UserError(f"{key} cannot change while a run goes on; extend it by total_steps and labels, or train anew.")
    if key in GROWING and (isinstance(value, bool) or not isinstance(value, int | float) or value % 1):
        raise UserError(f"{key} is {value!r}: give a whole number.")
    return key, int(value) if key in GROWING else value


def _with(settings: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """Settings in which the one at a path of keys has this value. Raises UserError where there is none."""
    first, *rest = path
    if first not in settings or (rest and not isinstance(settings[first], Mapping)):
        raise UserError(f"this run has no setting {'.'.join(path)}; look at its config.yaml.")
    return {**settings, first: _with(settings[first], rest, value) if rest else value}


def _copied(node: Any, key: str, old: Any, new: Any) -> Any:
    """Settings of parts in which copies of a setting, of the same name and value, follow it."""
    if isinstance(node, Mapping):
        return {name: new if name == key and value == old else _copied(value, key, old, new) for name, value in node.items()}
    return node


def _admitted(run: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> Setup:
    """The parts of the longer run. Raises UserError where the run cannot go on to its end."""
    step, total = last_checkpoint_step(run), int(after["total_steps"])
    if step >= total:
        raise UserError(
            f"{run} has made {step:,} steps already; give more than those as total_steps=..."
            + (", which labels are asked in" if after["labels"] != before["labels"] else "")
            + "."
        )
    if step == 0:
        raise UserError(f"{run} holds no checkpoint yet; train it first.")
    torch.set_num_threads(after["torch_threads"])
    setup = build(after)
    if isinstance(setup.loop, Cloning) and finished(run):
        raise UserError(
            f"{run} ended by choosing the policy that suited the steps held out best, and cannot go on from there; train anew "
            f"with total_steps={total} name=..."
        )
    return setup


def differences(run: Path, before: Mapping[str, Any], setup: Setup) -> Iterator[str]:
    """A sentence for each thing in which the run so far differs from the first part of the longer one, `setup`."""
    step, old, new = last_checkpoint_step(run), int(before["total_steps"]), setup.total_steps
    rollouts = range(0, step + 1, max(1, _rollout(setup)))
    if not isinstance(setup.loop, Interaction):
        yield from _rates(setup, step, old, new)
    added, base = control(run).added, instantiate(before["schedule"], _convert_="all")
    yield from _labels(
        run, ExtendableSchedule(base, old, added), ExtendableSchedule(parts(setup)["schedule"], new, added), rollouts, step, new
    )
    yield from _training_schedule(
        instantiate(before["training_schedule"], _convert_="all"), setup.training_schedule, rollouts, step, new
    )
    if not isinstance(setup.env, Stateful):
        yield "these environments cannot be saved, so they begin anew from a reset"


def _rollout(setup: Setup) -> int:
    return setup.agent.n_steps * setup.env.num_envs


def _rates(setup: Setup, step: int, old: int, new: int) -> Iterator[str]:
    """Learning rates and clip ranges that depend on how much of the run is left."""
    for name in RATES:
        rate: Callable[[float], float] | None = getattr(setup.agent, "lr_schedule" if name == "learning_rate" else name, None)
        if not callable(rate) or len({rate(share) for share in SHARES}) == 1:
            continue
        was, goes_on = (rate(max(1 - step / total, 0.0)) for total in (old, new))
        yield (
            f"agent.{name} falls over the whole run: it had come to {was:.3g} by step {step:,}, and goes on from {goes_on:.3g}, "
            f"where {new:,} steps have it by then (a constant agent.{name} would make no difference)"
        )


def _labels(run: Path, old: Schedule, new: Schedule, rollouts: range, step: int, total: int) -> Iterator[str]:
    """Questions that would have been asked at other steps."""
    questions = asked(run / "preferences.sqlite")
    there = len(questions)
    if any(old(at) != new(at) for at in rollouts):
        then = new(step)
        later = "no more are asked until it is caught up with" if there > then else f"{then - there} are asked at once"
        later = "the others follow at its pace" if there == then else later
        yield (
            f"schedule spreads the labels over the whole run: {total:,} steps would have asked {then} by step {step:,}, and here "
            f"{there} were; {later}"
        )
    if questions and 2 * questions[0][0] > step:
        yield (
            f"memory held too little for the first questions until step {questions[0][0]:,}, and few were asked because little "
            "of the run was left; a longer run would have waited for all of them"
        )


def _training_schedule(old: TrainingSchedule, new: TrainingSchedule, rollouts: range, step: int, total: int) -> Iterator[str]:
    """Gradient steps of the reward model that would have been made at other steps."""
    if any(old(at, 1) != new(at, 1) for at in rollouts):
        was, then = old(step, 1), new(step, 1)
        later = "the difference is made up at the first fit" if then > was else "none are made until it is caught up with"
        yield (
            f"training_schedule depends on the length of the run: with {total:,} steps the reward model would have made {then:,} "
            f"gradient steps by step {step:,}, and here it made {was:,}; {later}"
        )
