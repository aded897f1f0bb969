"""`rlhp fit`: fits a reward model to existing comparisons, without an environment."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import get_object, instantiate

from rlhp import answers
from rlhp.csv_records import write_csv
from rlhp.preference import ReturnError, win_probability
from rlhp.run import RunDirectory, check_owner, create, finished, locked_run, note_attempt, read_settings
from rlhp.train.command import Command, Score, main
from rlhp.train.heldout import Interval, Split, clustered, interval, split
from rlhp.train.job import as_rollout, with_chosen_precision
from rlhp.types import EMPTY, Array, Comparisons, Evidence, Metrics, Steps, UserError, seen_space

CHUNK = 64  # clips per prediction batch
MIN_ANNOTATORS = 5  # fewer do not show how annotators differ
RESULTS = "comparisons.csv"
COLUMNS = ("question", "annotator", "preferred", "probability", "right")


def fit(
    source: Path,
    words: Sequence[str],
    score: Score,
    columns: Mapping[str, str] | None = None,
    one: str | None = None,
    minus_one: str | None = None,
) -> Path | None:
    """Run `rlhp fit SOURCE WORDS`; returns the run directory, or None after a sweep.

    `reward_model=frozen reward_model.run=...` trains an agent on the resulting reward. Raises UserError if the source cannot be
    read (see `answers.load`), and for settings that cannot be used.
    """
    answers.load(source, columns, one, minus_one)  # reports errors of the data before anything is created
    data = {"path": str(source.resolve()), "columns": dict(columns or {}), "one": one, "minus_one": minus_one}
    named = [] if any(word.startswith("task=") for word in words) else [f"task='{_task(source)}'"]
    command = Command("rlhp fit", partial(_work, data), "fit")
    return main([*named, *words], score, command)


def _task(source: Path) -> str:
    """The task name of a run on this source: the task of the run that it belongs to, or the source's own name."""
    if (source / "config.yaml").is_file():
        return str(read_settings(source).get("task"))
    return re.sub(r"[^\w.-]+", "-", source.resolve().name.removesuffix(source.suffix)) or "data"


def _work(data: Mapping[str, Any], settings: Mapping[str, Any], path: Path) -> None:
    """Fit in the run directory `path`, or continue from its last complete checkpoint; a finished fit is left as it is."""
    _check(settings)
    given = answers.load(Path(data["path"]), data["columns"], data["one"], data["minus_one"])
    parts = _limited(split(given.comparisons, settings["heldout"], settings["seed"]), settings["comparisons"])
    whole = {**settings, "labels": len(parts.fitted), "data": {**data, "digest": given.digest}}
    with locked_run(path, lambda: check_owner(path, with_chosen_precision(whole, path))):
        if finished(path):
            print(f"{path} is finished already; to fit again, set another name with name=...", file=sys.stderr)
            return
        whole = with_chosen_precision(whole, path)
        create(path, whole)
        torch.set_num_threads(settings["torch_threads"])
        model = _model(whole, given)
        print(_summary(given, parts, whole), file=sys.stderr)
        _run(whole, path, model, given, parts)


def _check(settings: Mapping[str, Any]) -> None:
    for key in ("total_steps", "evaluate_every"):
        if not isinstance(settings[key], int | float) or settings[key] < 1 or settings[key] % 1:
            raise UserError(f"{key} counts gradient steps; set it to a whole number of at least 1, not {settings[key]}.")
    if not isinstance(settings["heldout"], int | float):
        raise UserError(f"heldout={settings['heldout']} is a fraction of the comparisons; set it to at least 0 and below 1.")
    for key in ("comparisons", "actions"):
        value = settings[key]
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UserError(f"{key} is {value}; give a whole number of at least 1, or null.")


def given_to(settings: Mapping[str, Any]) -> tuple[answers.Preferences, Array]:
    """The comparisons given to the fit of these settings, and the rows that it trained on.

    Raises UserError if the source cannot be read any more, or has changed.
    """
    data = settings["data"]
    found = answers.load(Path(data["path"]), data["columns"], data["one"], data["minus_one"])
    if found.digest != data["digest"]:
        raise UserError(f"{data['path']} has changed since the fit; restore the data, or fit again.")
    return found, _limited(split(found.comparisons, settings["heldout"], settings["seed"]), settings["comparisons"]).fitted


def _limited(parts: Split, most: int | None) -> Split:
    """The split with at most `most` fitted comparisons, the first ones. Raises UserError if there are fewer."""
    if most is not None and most > len(parts.fitted):
        raise UserError(f"comparisons={most} exceeds the {len(parts.fitted)} that are not held out; set a smaller number.")
    return replace(parts, fitted=parts.fitted[:most])


def _summary(given: answers.Preferences, parts: Split, settings: Mapping[str, Any]) -> str:
    """A description of the data for the user."""
    clips = given.comparisons.clips
    people = {who for who in given.annotator if who is not None}
    lines = (
        f"{len(given.comparisons):,} comparisons of {len(clips):,} clips of {clips.true_reward.shape[1]} steps ({given.layout})"
        + (f" by {len(people)} annotators" if len(people) > 1 else "")
        + (f"; {given.unsure:,} 'cannot tell' left out" if given.unsure else ""),
        f"observations {_describe(given.observation_space())}"
        + (f", {given.stack} of them stacked" if given.stack > 1 else "")
        + f"; actions {_describe(given.action_space(settings['actions']))}",
        f"{len(parts.fitted):,} are fitted, {len(parts.heldout):,} held out"
        + ("" if parts.disjoint or not len(parts.heldout) else ", which share segments with the fitted ones"),
    )
    return "\n".join(lines)


def _describe(space: Any) -> str:
    kind = type(space).__name__
    return f"{kind}({space.n})" if kind == "Discrete" else f"{kind}{space.shape} of {space.dtype}"


def _run(settings: Mapping[str, Any], path: Path, model: Any, given: answers.Preferences, parts: Split) -> None:
    total, every = int(settings["total_steps"]), int(settings["evaluate_every"])
    run = RunDirectory(path, {"reward": model}, total_steps=total, checkpoint_every=settings["checkpoint_every"])
    note_attempt(path, precision=settings["reward_model"].get("precision"), step=run.resumed_from)
    run.restore()
    run.open(instantiate(settings["tracker"], _convert_="all"), labels=len(parts.fitted))
    evidence, out = Evidence(given.comparisons.rows(parts.fitted)), given.comparisons.rows(parts.heldout)
    for step in (*range(every, total, every), total):
        if step > run.resumed_from:
            _fit_to(step, model, evidence, out, run)
    measured = _measured(model, out)
    found = _interval(measured, given, parts)
    used = {"wanted": len(parts.fitted), "asked": len(parts.fitted), "answered": len(parts.fitted), "used": len(parts.fitted)}
    statistics = {
        **asdict(found),
        "comparisons": len(out),
        "decided": int(np.isfinite(measured.right).sum()),
        "apart": parts.disjoint,
    }
    run.finish(
        lambda folder: _write(folder / RESULTS, given, parts, measured),
        labels={**used, "why": ""},
        heldout={key: None if value != value else value for key, value in {**statistics, **measured.metrics()}.items()},
    )


def _model(settings: Mapping[str, Any], given: answers.Preferences) -> Any:
    """Build the reward model for the data. Raises UserError if it does not learn from comparisons alone."""
    node = settings["reward_model"]
    seen = seen_space(given.observation_space(), given.stack)
    model = instantiate(node, _convert_="all")(seen, given.action_space(settings["actions"]))
    if getattr(model, "watches", False):
        raise UserError("this reward model learns from what a policy does; choose reward_model=ensemble_mlp or ensemble_cnn.")
    if not model.snapshot():
        raise UserError("this reward model learns nothing from comparisons; choose reward_model=ensemble_mlp or ensemble_cnn.")
    if _target(node.get("loss")) is ReturnError and not given.rewards:
        raise UserError("reward_model/loss=return_error learns from true returns, which these data lack; choose another.")
    return model


def _target(node: Any) -> Any:
    """The class or function that a component's settings name; None if they name none."""
    name = node.get("_target_") if isinstance(node, Mapping) else None
    return None if name is None else get_object(name)


def _fit_to(step: int, model: Any, evidence: Evidence, out: Comparisons, run: RunDirectory) -> None:
    """Make gradient steps up to `step` and log the results."""
    run.log(step, model.fit(evidence, step))
    run.log(step, {**_measured(model, out).metrics(), "labels": float(len(evidence.comparisons))})
    run.end_step(step)


@dataclass(frozen=True, slots=True)
class Measured:
    """The quality of a reward model's predictions on n answers; a rating is paired with the other ratings of its annotator."""

    right: Array  # [n] fraction of an answer's pairs in the right order, without ties; NaN if there are only ties
    probability: Array  # [n] that the first of two clips, or the rated one, is preferred: mean over members; NaN for rankings
    loss: Array  # [n] -log of the probability of the answer

    def metrics(self) -> Metrics:
        """The means of accuracy and loss; absent without data."""
        known = np.isfinite(self.right)
        accuracy = {"heldout_accuracy": float(self.right[known].mean())} if known.any() else {}
        return {**accuracy, **({"heldout_loss": float(self.loss.mean())} if len(self.loss) else {})}


def _measured(model: Any, out: Comparisons) -> Measured:
    """Measure the predictions for these answers.

    The order is that of r-hat, which a policy would maximise; the probability is that of the preference model.
    """
    clips = np.unique(out.shown[out.shown != EMPTY])
    position = {clip: i for i, clip in enumerate(clips.tolist())}
    returns, sums = _predicted(model, out, clips)
    right, probability, loss = np.full((3, len(out)), np.nan)
    for row, (shown, ranks) in enumerate(zip(out.shown.tolist(), out.ranks.tolist(), strict=True)):
        if not np.isnan(out.rating[row]):
            continue
        ranked = [(position[clip], rank) for clip, rank in zip(shown, ranks, strict=True) if clip != EMPTY]
        pairs = [(i, j, (a < b) + 0.5 * (a == b)) for (i, a), (j, b) in combinations(ranked, 2)]
        decided = [(returns[i] - returns[j]) * (mu - 0.5) > 0 for i, j, mu in pairs if mu != 0.5]
        p = np.array([float(win_probability(sums[:, i], sums[:, j]).mean()) for i, j, _ in pairs]).clip(1e-12, 1 - 1e-12)
        mu = np.array([mu for *_, mu in pairs])
        right[row] = np.mean(decided) if decided else np.nan
        probability[row] = p[0] if len(pairs) == 1 else np.nan
        loss[row] = float(-(mu * np.log(p) + (1 - mu) * np.log(1 - p)).mean())
    of = [position.get(clip, 0) for clip in out.shown[:, 0].tolist()] if len(out) else []
    _rate(Measured(right, probability, loss), out, returns[of], sums[:, of])
    return Measured(right, probability, loss)


def _rate(measured: Measured, out: Comparisons, returns: Array, sums: Array) -> None:
    """Fill in the rows of ratings, given the return of each row's first clip [n] and its members' sums [M, n].

    Annotators' scales are not applied, because r-hat, which is measured, has none.
    """
    for row in np.flatnonzero(~np.isnan(out.rating)).tolist():
        ahead = np.where(out.annotator == out.annotator[row], out.rating[row] - out.rating, 0.0)
        others = np.nan_to_num(ahead) != 0
        p = float(win_probability(sums[:, row], np.zeros(len(sums))).mean())
        if others.any():
            measured.right[row] = np.mean((returns[row] - returns[others]) * ahead[others] > 0)
        measured.probability[row] = p
        y, safe = out.rating[row], float(np.clip(p, 1e-12, 1 - 1e-12))
        measured.loss[row] = -y * np.log(safe) - (1 - y) * np.log(1 - safe)


def _predicted(model: Any, out: Comparisons, clips: Array) -> tuple[Array, Array]:
    """r-hat's sums over these clips [C], and each member's uncalibrated sums [M, C], whose differences are logits."""
    returns, sums = [np.zeros(0)], []
    for first in range(0, len(clips), CHUNK):
        steps: Steps = out.clips[clips[first : first + CHUNK]]
        returns.append(model(as_rollout(steps)).sum(axis=0, dtype=float))
        sums.append(model.predict_members(steps).sum(axis=2, dtype=float))
    return np.concatenate(returns), np.concatenate(sums, axis=1) if sums else np.zeros((1, 0))


def _interval(measured: Measured, given: answers.Preferences, parts: Split) -> Interval:
    known = np.isfinite(measured.right)
    rows = parts.heldout[known]
    who = [given.annotator[row] for row in rows]
    clusters: dict[str, Sequence[Any]] = {"segment": clustered(given.comparisons.rows(rows)).tolist()}
    if None not in who and len({*who}) >= MIN_ANNOTATORS:
        clusters["annotator"] = who
    return interval(measured.right[known], clusters)


def _write(path: Path, given: answers.Preferences, parts: Split, measured: Measured) -> None:
    """Write the held-out comparisons, one per row.

    `preferred` and `probability` refer to the first of two clips, or to the only one.
    """
    rows = []
    for row, p, right in zip(parts.heldout.tolist(), measured.probability, measured.right, strict=True):
        ranks, rating = given.comparisons.ranks[row], float(given.comparisons.rating[row])
        mu = rating if rating == rating else float((ranks[0] < ranks[1]) + 0.5 * (ranks[0] == ranks[1]))
        preferred = "" if p != p else f"{mu:g}"
        query, who = int(given.comparisons.query[row]), given.annotator[row] or ""
        rows.append((query, who, preferred, *("" if x != x else f"{x:.6g}" for x in (p, right))))
    write_csv(path, COLUMNS, rows)
