"""Everything that is measured of one run's r-hat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlhp import analysis, train
from rlhp.inspect import accuracy, answers, checks, coverage, hacking, inputs, predict, truth
from rlhp.inspect.estimate import Estimate, absent
from rlhp.types import Array, Segment, UserError

HIDDEN = "hidden by --blind"
LABELLED = 400  # labelled clips that the newest ones are compared with
NO_ANSWERS = "nobody has put clips of this run in order"


@dataclass(frozen=True, slots=True)
class Subject:
    """An r-hat and what it is measured on."""

    run: analysis.RunData
    learned: train.Learned
    given: answers.Answers | None
    raw: Array  # [M, C, L] what its members say of the clips of the answers; of the newest clips where there are none
    scale: predict.Scale
    heldout: truth.Rewards
    newest_clips: Sequence[Segment]  # the newest clips, without those that anybody was asked about
    newest: truth.Rewards
    blind: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far r-hat agrees with answers."""

    heldout: Estimate
    new: Estimate  # of those, about clips that a member has never seen
    learned: Estimate
    gap: Estimate
    overconfidence: Estimate
    groups: Mapping[str, Sequence[accuracy.Group]]  # by what they have in common
    ties: int
    total: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found."""

    agreement: Agreement
    clips: Estimate  # correlations with the true reward, on clips that nobody was asked about
    steps: Estimate
    newest_clips: Estimate  # the same on the newest ones
    newest_steps: Estimate
    distances: coverage.Distances
    order: truth.Order
    series: truth.Series | None
    alarm: hacking.Alarm | None
    spread: Estimate  # of the members, on the newest clips against labelled ones
    members: Estimate  # how far they agree on the newest clips
    inputs: inputs.Inputs
    worth: Sequence[inputs.Worth]
    checks: Sequence[checks.Check]

    @property
    def verdict(self) -> checks.Outcome:
        """One word for all of it."""
        return checks.verdict(self.checks)


def subject(run: Path, blind: bool = False) -> Subject:
    """An r-hat with what it says of the clips. Raises UserError where there is none, or nothing to measure it on."""
    learned, data = train.learned(run), analysis.load(run)  # the first says it better where there is no run
    given = answers.of(run, learned)
    some = [*learned.heldout, *learned.recent]
    if given is None and not some:
        raise UserError(f"{run} holds no answers and no clips to measure its reward on; train it for longer.")
    raw = predict.of_segments(learned.model, some) if given is None else predict.of_clips(learned.model, given.clips)
    scale = predict.scale_of(raw)
    unasked = _unasked(learned, run)
    heldout, newest = (_rewards(learned, clips, scale) for clips in (learned.heldout, unasked))
    if blind:
        heldout, newest = heldout.blind(HIDDEN), newest.blind(HIDDEN)
    return Subject(data, learned, given, raw, scale, heldout, unasked, newest, blind)


def _unasked(learned: train.Learned, run: Path) -> list[Segment]:
    """The newest clips that no answer is about."""
    asked = answers.asked(run) if learned.data is None else set()
    return [clip for clip, name in zip(learned.recent, answers.digests(learned.recent), strict=True) if name not in asked]


def _rewards(learned: train.Learned, clips: Sequence[Segment], scale: predict.Scale) -> truth.Rewards:
    if not clips:
        nothing = np.zeros((0, 1))
        return truth.Rewards(np.zeros((len(scale.mean), 0, 1)), nothing)
    raw = predict.of_segments(learned.model, clips)
    return truth.Rewards(scale(raw), np.stack([clip.true_reward for clip in clips]).astype(float))


def measure(of: Subject, run: Path, seed: int = 0) -> Findings:
    """Measure it; the slow part is the newest policy's steps in new environments."""
    agreement = _agreement(of)
    clips, steps = truth.of_clips(of.heldout), truth.of_steps(of.heldout)
    distances = _distances(of, run, seed)
    order, series = truth.order(of.heldout), truth.series(of.run, of.heldout)
    alarm = None if series is None else hacking.alarm(series.step, series.predicted, series.true)
    spread = truth.spread(_labelled(of), of.newest.members)
    members = truth.members_agree(of.newest)
    parts, worth = _inputs(of)
    return Findings(
        agreement,
        clips,
        steps,
        truth.of_clips(of.newest),
        truth.of_steps(of.newest),
        distances,
        order,
        series,
        alarm,
        spread,
        members,
        parts,
        worth,
        (
            *_of_answers(of, agreement, parts, worth, clips),
            checks.knows_newest(spread, members),
            *_of_truth(of, clips, distances, order, alarm),
        ),
    )


def _agreement(of: Subject) -> Agreement:
    if of.given is None:
        none = absent(NO_ANSWERS)
        return Agreement(none, none, none, none, none, {}, 0, 0)
    judged = accuracy.judged(of.given, of.raw, of.scale(of.raw), answers.unseen(of.learned.model, of.given, len(of.raw)))
    held = accuracy.accuracy(judged)
    groups: dict[str, Sequence[accuracy.Group]] = {}
    if held.known:
        groups = {
            "how sure r-hat is": accuracy.reliability(judged),
            "when it was asked": accuracy.by_time(judged),
            "who answered": accuracy.by_annotator(judged),
        }
        if not of.blind:
            groups["how far apart the true returns are"] = accuracy.by_margin(judged, of.given.clips.true_reward.sum(axis=1))
    sure = accuracy.calibration_error(judged) if held.known else absent(held.missing)
    new, learned = accuracy.new_accuracy(judged), accuracy.learned_accuracy(judged)
    return Agreement(held, new, learned, accuracy.gap(judged), sure, groups, of.given.ties, of.given.total)


def _distances(of: Subject, run: Path, seed: int) -> coverage.Distances:
    """Distances from the true reward, where there is one and its environment can be made."""
    why = HIDDEN if of.blind else "" if "env" in of.learned.settings else "there is no environment"
    if not why:
        try:
            steps = coverage.gather(train.load(run), of.learned.model, seed)
            discount = float(of.learned.settings["agent"].get("gamma", 0.99))
            return coverage.compare(steps, discount)
        except UserError as error:
            why = f"the environment cannot be made: {error}"
    return coverage.Distances(absent(why), absent(why), 0, 0)


def _labelled(of: Subject) -> Array:
    """What the members say of clips that answers are about, [M, n, L]: none where there are no answers."""
    scaled = of.scale(of.raw)
    if of.given is None:
        return scaled[:, :0]
    return scaled[:, :: -(-scaled.shape[1] // LABELLED)]


def _inputs(of: Subject) -> tuple[inputs.Inputs, Sequence[inputs.Worth]]:
    if of.given is None:
        return inputs.Inputs((), missing=NO_ANSWERS), []
    frame = of.given.clips[np.zeros(1, np.int64)].obs.shape[2:]
    parts = inputs.of_spaces(of.learned.observation_space, frame, of.learned.action_space)
    unseen = answers.unseen(of.learned.model, of.given, len(of.raw))
    return parts, inputs.worth(of.learned.model, of.given, unseen, of.scale, parts)


def _of_answers(
    of: Subject, agreement: Agreement, parts: inputs.Inputs, worth: Sequence[inputs.Worth], clips: Estimate
) -> list[checks.Check]:
    """What can be checked without the true reward."""
    flat = int((of.raw.std(axis=(1, 2), keepdims=True) <= predict.flat(of.raw)).sum())
    return [
        checks.varies(flat, len(of.raw)),
        checks.better_than_chance(agreement.heldout),
        checks.generalises(agreement.gap),
        checks.many_inputs(worth, agreement.heldout, clips, parts.missing or agreement.heldout.missing),
    ]


def _of_truth(
    of: Subject, clips: Estimate, distances: coverage.Distances, order: truth.Order, alarm: hacking.Alarm | None
) -> list[checks.Check]:
    """What can be checked by the true reward alone."""
    untested = HIDDEN if of.blind else "there are too few points over training, or the true reward is not known"
    return [
        checks.follows_truth(clips),
        checks.near("EPIC", distances.epic),
        checks.near("STARC", distances.starc),
        checks.orders_policies(order.tau),
        checks.not_exploited(alarm, untested),
    ]
