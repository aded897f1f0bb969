"""All measurements of one run's r-hat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rlhp import analysis, train
from rlhp.inspect import accuracy, answers, checks, coverage, hacking, inputs, predict, truth
from rlhp.inspect.estimate import Estimate, absent
from rlhp.length import value
from rlhp.types import Array, Segment, UserError

HIDDEN = "hidden by --blind"
LABELLED = 400  # maximum number of labelled clips to compare with the newest ones
NO_ANSWERS = "this run has no answers that order clips"


@dataclass(frozen=True, slots=True)
class Subject:
    """An r-hat and the data to measure it on."""

    run: analysis.RunData
    learned: train.Learned
    given: answers.Answers | None
    raw: Array  # [M, C, L] members' rewards of the answers' clips, or of the newest clips if there are no answers
    scale: predict.Scale
    heldout: truth.Rewards
    newest_clips: Sequence[Segment]  # the newest clips that no question was about
    newest: truth.Rewards
    blind: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of r-hat with answers."""

    heldout: Estimate
    new: Estimate  # of the held-out answers, those about clips that a member has never seen
    learned: Estimate
    gap: Estimate
    overconfidence: Estimate
    groups: Mapping[str, Sequence[accuracy.Group]]  # by the property that the groups share
    ties: int
    total: int


@dataclass(frozen=True, slots=True)
class Findings:
    """The results of all measurements and checks."""

    agreement: Agreement
    clips: Estimate  # correlations with the true reward on held-out clips
    steps: Estimate
    newest_clips: Estimate  # correlations on the newest clips
    newest_steps: Estimate
    distances: coverage.Distances
    order: truth.Order
    series: truth.Series | None
    alarm: hacking.Alarm | None
    spread: Estimate  # disagreement of the members on the newest clips relative to labelled ones
    members: Estimate  # agreement of the members on the newest clips
    inputs: inputs.Inputs
    worth: Sequence[inputs.Worth]
    checks: Sequence[checks.Check]

    @property
    def verdict(self) -> checks.Outcome:
        """The overall outcome."""
        return checks.verdict(self.checks)


def examine(run: Path, blind: bool = False) -> Subject:
    """Load an r-hat with its rewards of clips. Raises UserError if there is none, or no data to measure it on."""
    learned, data = train.learned(run), analysis.load(run)  # the first has the better error message for a missing run
    given = answers.of_run(run, learned)
    clips = [*learned.heldout, *learned.recent]
    if given is None and not clips:
        raise UserError(f"{run} holds no answers and no clips to measure its reward on; train it for longer.")
    raw = predict.of_segments(learned.model, clips) if given is None else predict.of_clips(learned.model, given.clips)
    scale = predict.scale_of(raw)
    unasked = _unasked(learned, run)
    heldout, newest = (_rewards(learned, some, scale) for some in (learned.heldout, unasked))
    if blind:
        heldout, newest = heldout.blind(HIDDEN), newest.blind(HIDDEN)
    return Subject(data, learned, given, raw, scale, heldout, unasked, newest, blind)


def _unasked(learned: train.Learned, run: Path) -> list[Segment]:
    """Return the newest clips that no question was about."""
    asked = answers.asked(run) if learned.data is None else set()
    return [clip for clip, name in zip(learned.recent, answers.digests(learned.recent), strict=True) if name not in asked]


def _rewards(learned: train.Learned, clips: Sequence[Segment], scale: predict.Scale) -> truth.Rewards:
    if not clips:
        empty = np.zeros((0, 1))
        return truth.Rewards(np.zeros((len(scale.mean), 0, 1)), empty)
    raw = predict.of_segments(learned.model, clips)
    return truth.Rewards(scale(raw), np.stack([clip.true_reward for clip in clips]).astype(float))


def measure(subject: Subject, run: Path, seed: int = 0) -> Findings:
    """Measure r-hat. The slow part is running the newest policy in new environments."""
    agreement = _agreement(subject)
    clips, steps = truth.of_clips(subject.heldout), truth.of_steps(subject.heldout)
    distances = _distances(subject, run, seed)
    order, series = truth.order(subject.heldout), truth.series(subject.run, subject.heldout)
    alarm = None if series is None else hacking.alarm(series.step, series.predicted, series.true)
    spread = truth.spread(_labelled(subject), subject.newest.members)
    members = truth.members_agree(subject.newest)
    parts, worth = _inputs(subject)
    return Findings(
        agreement,
        clips,
        steps,
        truth.of_clips(subject.newest),
        truth.of_steps(subject.newest),
        distances,
        order,
        series,
        alarm,
        spread,
        members,
        parts,
        worth,
        (
            *_of_answers(subject, agreement, parts, worth, clips),
            checks.knows_newest(spread, members),
            *_of_truth(subject, clips, distances, order, alarm),
        ),
    )


def _agreement(subject: Subject) -> Agreement:
    if subject.given is None:
        missing = absent(NO_ANSWERS)
        return Agreement(missing, missing, missing, missing, missing, {}, 0, 0)
    judged = accuracy.judged(
        subject.given,
        subject.raw,
        subject.scale(subject.raw),
        answers.unseen(subject.learned.model, subject.given, len(subject.raw)),
    )
    held = accuracy.accuracy(judged)
    groups: dict[str, Sequence[accuracy.Group]] = {}
    if held.known:
        groups = {
            "confidence of r-hat": accuracy.reliability(judged),
            "step of the question": accuracy.by_time(judged),
            "annotator": accuracy.by_annotator(judged),
        }
        if not subject.blind:
            groups["difference in true return"] = accuracy.by_margin(judged, subject.given.clips.true_reward.sum(axis=1))
    sure = accuracy.calibration_error(judged) if held.known else absent(held.missing)
    new, learned = accuracy.new_accuracy(judged), accuracy.learned_accuracy(judged)
    return Agreement(held, new, learned, accuracy.gap(judged), sure, groups, subject.given.ties, subject.given.total)


def _distances(subject: Subject, run: Path, seed: int) -> coverage.Distances:
    """Compute distances from the true reward, if there is one and its environment can be created."""
    why = HIDDEN if subject.blind else "" if "env" in subject.learned.settings else "there is no environment"
    if not why:
        try:
            steps = coverage.gather(train.load(run), subject.learned.model, seed)
            discount = float(value(subject.learned.settings["agent"].get("gamma", 0.99)))
            return coverage.compare(steps, discount)
        except UserError as error:
            why = f"the environment cannot be created: {error}"
    return coverage.Distances(absent(why), absent(why), 0, 0)


def _labelled(subject: Subject) -> Array:
    """Return the members' scaled rewards of labelled clips, [M, n, L]; n is 0 if there are no answers."""
    scaled = subject.scale(subject.raw)
    if subject.given is None:
        return scaled[:, :0]
    return scaled[:, :: -(-scaled.shape[1] // LABELLED)]


def _inputs(subject: Subject) -> tuple[inputs.Inputs, Sequence[inputs.Worth]]:
    if subject.given is None:
        return inputs.Inputs((), missing=NO_ANSWERS), []
    frame = subject.given.clips[np.zeros(1, np.int64)].obs.shape[2:]
    parts = inputs.of_spaces(subject.learned.observation_space, frame, subject.learned.action_space)
    unseen = answers.unseen(subject.learned.model, subject.given, len(subject.raw))
    return parts, inputs.worth(subject.learned.model, subject.given, unseen, subject.scale, parts)


def _of_answers(
    subject: Subject, agreement: Agreement, parts: inputs.Inputs, worth: Sequence[inputs.Worth], clips: Estimate
) -> list[checks.Check]:
    """Run the checks that do not need the true reward."""
    flat = int((subject.raw.std(axis=(1, 2), keepdims=True) <= predict.flat(subject.raw)).sum())
    return [
        checks.varies(flat, len(subject.raw)),
        checks.better_than_chance(agreement.heldout),
        checks.generalises(agreement.gap),
        checks.many_inputs(worth, agreement.heldout, clips, parts.missing or agreement.heldout.missing),
    ]


def _of_truth(
    subject: Subject, clips: Estimate, distances: coverage.Distances, order: truth.Order, alarm: hacking.Alarm | None
) -> list[checks.Check]:
    """Run the checks that need the true reward."""
    untested = HIDDEN if subject.blind else "there are too few points over training, or the true reward is unknown"
    return [
        checks.follows_truth(clips),
        checks.near("EPIC", distances.epic),
        checks.near("STARC", distances.starc),
        checks.orders_policies(order.tau),
        checks.not_exploited(alarm, untested),
    ]
