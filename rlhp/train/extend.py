"""`rlhp extend`: continues a run beyond its end, as if it had been started with more steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from hydra.utils import instantiate

from rlhp.length import rules
from rlhp.run import (
    GROWING,
    check_trainable,
    control,
    finished,
    is_fit,
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

RATES = ("learning_rate", "clip_range", "clip_range_vf")  # parameters of Stable-Baselines3, numbers or schedules
FRACTIONS_LEFT = (1.0, 0.75, 0.5, 0.25)  # fractions of the run left at which a schedule is evaluated


def extend(run: Path, words: Sequence[str], exact: bool = False) -> None:
    """Continue a run to more `total_steps`, and `labels`, in its own directory; `words` are KEY=VALUE.

    If everything that the steps so far depend on is the same, the result equals that of a run started with the new settings, byte
    for byte on the CPU. What differs, such as a learning rate that falls towards the end, continues with the values of the longer
    run. Each difference is printed in a sentence, or raises UserError with `exact`. After a kill, the same command continues;
    when it has finished, it does nothing.

    Raises UserError if there is no such run, if it has made that many steps already, for settings that must not change, and for a
    run that ends by choosing a policy.
    """
    before = read_settings(run)
    check_trainable(run)
    after = _extended(run, before, words)
    if words and after == before and finished(run):  # a repeated command
        print(f"{run} is finished already at {int(after['total_steps']):,} steps; give a larger total_steps=...", file=sys.stderr)
        return
    setups: list[Setup] = []

    def admit() -> None:
        setup = _longer_run(run, before, after)
        differing = list(differences(run, before, setup))
        if differing and exact:
            raise UserError(f"the result would differ from that of a run started with these settings: {'; '.join(differing)}.")
        for difference in differing:
            print(f"Different from a run started with these settings: {difference}.", file=sys.stderr)
        setups.append(setup)

    with locked_run(run, admit):
        reopen(run, after)
        old = int(before["total_steps"])
        work(setups[0], run, **({"extends": old} if old < setups[0].total_steps else {}))


def _extended(run: Path, before: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """The settings with these changes. Raises UserError for changes that are not allowed."""
    if is_fit(run, before):
        raise UserError(f"{run} is a fit and has no training to continue; fit again with total_steps=... and name=...")
    changes = dict(_change(word, before) for word in words)
    for key in GROWING:
        if changes.get(key, before[key]) < before[key]:
            raise UserError(f"{key}={changes[key]} is less than the {before[key]} of {run}; give a larger value.")
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
        raise UserError(f"{key} cannot change when a run continues; extend total_steps and labels, or train a new run.")
    if key in GROWING and (isinstance(value, bool) or not isinstance(value, int | float) or value % 1):
        raise UserError(f"{key} is {value!r}: give a whole number.")
    return key, int(value) if key in GROWING else value


def _with(settings: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """The settings with this value at a path of keys. Raises UserError if there is no such setting."""
    first, *rest = path
    if first not in settings or (rest and not isinstance(settings[first], Mapping)):
        raise UserError(f"this run has no setting {'.'.join(path)}; see its config.yaml.")
    return {**settings, first: _with(settings[first], rest, value) if rest else value}


def _copied(node: Any, key: str, old: Any, new: Any) -> Any:
    """Settings of components in which copies of a setting, with the same name and value, are changed with it."""
    if isinstance(node, Mapping):
        return {name: new if name == key and value == old else _copied(value, key, old, new) for name, value in node.items()}
    return node


def _longer_run(run: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> Setup:
    """The components of the longer run. Raises UserError if the run cannot continue to its end."""
    step, total = last_checkpoint_step(run), int(after["total_steps"])
    if step >= total:
        raise UserError(
            f"{run} has made {step:,} steps already; give a larger number as total_steps=..."
            + (", during which labels are asked" if after["labels"] != before["labels"] else "")
            + "."
        )
    if step == 0:
        raise UserError(f"{run} holds no checkpoint yet; train it first.")
    torch.set_num_threads(after["torch_threads"])
    setup = build(after)
    if isinstance(setup.loop, Cloning) and finished(run):
        raise UserError(
            f"{run} ended by choosing the policy with the best held-out result, and cannot continue; train a new run "
            f"with total_steps={total} name=..."
        )
    return setup


def differences(run: Path, before: Mapping[str, Any], setup: Setup) -> Iterator[str]:
    """A sentence for each difference between the run so far and the same steps of the longer run, `setup`."""
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
    yield from _rules(before, setup, step)
    if not isinstance(setup.env, Stateful):
        yield "these environments cannot be saved, so they start from a reset"


def _rollout(setup: Setup) -> int:
    return setup.agent.n_steps * setup.env.num_envs


def _rates(setup: Setup, step: int, old: int, new: int) -> Iterator[str]:
    """Differences of learning rates and clip ranges that depend on the fraction of the run left."""
    for name in RATES:
        rate: Callable[[float], float] | None = getattr(setup.agent, "lr_schedule" if name == "learning_rate" else name, None)
        if not callable(rate) or len({rate(share) for share in FRACTIONS_LEFT}) == 1:
            continue
        was, now = (rate(max(1 - step / total, 0.0)) for total in (old, new))
        yield (
            f"agent.{name} falls over the whole run: it was {was:.3g} at step {step:,}, and continues from {now:.3g}, "
            f"its value there in a run of {new:,} steps (a constant agent.{name} would not differ)"
        )


def _rules(before: Mapping[str, Any], setup: Setup, step: int) -> Iterator[str]:
    """Differences of settings that follow the length of the run."""
    old = dict(rules(before))
    for name, now in rules(setup.settings):
        if name in old and old[name] != now:
            yield (
                f"{name} follows the length of the run: it was {old[name]:.6g} until step {step:,}, and is {now:.6g} from there "
                f"(a number as {name} would not differ)"
            )


def _labels(run: Path, old: Schedule, new: Schedule, rollouts: range, step: int, total: int) -> Iterator[str]:
    """Differences in the steps at which queries are asked."""
    questions = asked(run / "preferences.sqlite")
    count = len(questions)
    if any(old(at) != new(at) for at in rollouts):
        due = new(step)
        later = "no more are asked until the schedule reaches that number" if count > due else f"{due - count} are asked at once"
        later = "the others follow its schedule" if count == due else later
        yield (
            f"schedule spreads the labels over the whole run: a run of {total:,} steps asks {due} by step {step:,}, and this one "
            f"asked {count}; {later}"
        )
    if questions and 2 * questions[0][0] > step:
        yield (
            f"memory held too few clips for the initial queries until step {questions[0][0]:,}, and fewer were asked because "
            "little of the run was left; a longer run would have waited for all of them"
        )


def _training_schedule(old: TrainingSchedule, new: TrainingSchedule, rollouts: range, step: int, total: int) -> Iterator[str]:
    """Differences in the steps at which the reward model makes gradient steps."""
    if any(old(at, 1) != new(at, 1) for at in rollouts):
        was, due = old(step, 1), new(step, 1)
        later = "the first fit makes the missing ones" if due > was else "none are made until the schedule reaches that number"
        yield (
            f"training_schedule depends on the length of the run: in a run of {total:,} steps the reward model makes {due:,} "
            f"gradient steps by step {step:,}, and here it made {was:,}; {later}"
        )
