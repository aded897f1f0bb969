"""The report as one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np

from rlhp.inspect import charts, words
from rlhp.inspect.checks import Check, Outcome
from rlhp.inspect.estimate import Estimate, percent
from rlhp.inspect.films import Shown
from rlhp.inspect.findings import Findings, Subject

HERE = Path(__file__).parent
LONG = 26  # cells with more characters may wrap: they are sentences, not numbers
SHOWN_INPUTS = 14  # maximum number of inputs shown, the most important ones
WORDS = {
    Outcome.SOUND: "No faults found",
    Outcome.FLAGGED: "This reward has faults",
    Outcome.UNKNOWN: "Not enough data",
}
MARKS = {Outcome.SOUND: "✓", Outcome.FLAGGED: "!", Outcome.UNKNOWN: "?"}


def page(subject: Subject, findings: Findings, shown: Sequence[Shown], no_films: str, at: datetime | None = None) -> str:
    """Return the HTML of the report."""
    name = subject.run.path.resolve().name
    made = (at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    about = f"{subject.run.task}, {subject.run.condition}, seed {subject.run.seed}, step {subject.run.step:,}; made {made}"
    sections = (
        _checks(findings.checks),
        _answers(findings),
        _truth(subject, findings),
        _training(findings),
        _inputs(findings),
        films_of(shown, no_films),
    )
    return document(f"r-hat of {name}", about, sections)


def document(title: str, about: str, sections: Sequence[str]) -> str:
    """Return an HTML file with these sections, its style sheet and its script."""
    style, script = ((HERE / f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            f"<header><h1>{escape(title)}</h1><p>{escape(about)}</p></header>\n<main>",
            *sections,
            f"</main>\n<script>\n{script}</script>\n</body>\n</html>\n",
        ]
    )


def _checks(checks: Sequence[Check]) -> str:
    verdict = max((check.outcome for check in checks), key=[Outcome.UNKNOWN, Outcome.SOUND, Outcome.FLAGGED].index)
    order = [Outcome.FLAGGED, Outcome.SOUND, Outcome.UNKNOWN]
    rows = [
        f'<li class="{check.outcome.name.lower()}"><span class="mark" aria-label="{check.outcome}">{MARKS[check.outcome]}</span>'
        f"<div><b>{escape(check.title)}</b><span>{escape(check.says)}</span></div></li>"
        for check in sorted(checks, key=lambda check: order.index(check.outcome))
    ]
    listed = f'<ul class="checks">{"".join(rows)}</ul>'
    return f'<section class="card verdict {verdict.name.lower()}"><h2>{WORDS[verdict]}</h2>{listed}</section>'


def _section(title: str, about: str, parts: Sequence[str], how: str) -> str:
    details = f"<details><summary>How this is computed</summary><p>{escape(how)}</p></details>"
    head = f"<h2>{escape(title)}</h2><p>{escape(about)}</p>"
    return f'<section class="card">{head}<div class="grid">{"".join(parts)}</div>{details}</section>'


def _figure(caption: str, inside: str) -> str:
    return f"<figure>{inside}<figcaption>{escape(caption)}</figcaption></figure>"


def _missing(caption: str, why: str) -> str:
    return f'<figure class="missing"><p>{escape(why)}</p><figcaption>{escape(caption)}</figcaption></figure>'


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{_row(*cells)}</tr>" for cells in rows)
    inside = f"<caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="table"><table>{inside}</table></div>'


def _row(first: str, *others: str) -> str:
    return f'<th scope="row">{escape(first)}</th>' + "".join(
        f"<td{' class=long' if len(cell) > LONG else ''}>{escape(cell)}</td>" for cell in others
    )


def _percent(estimate: Estimate) -> str:
    return estimate.text(".0f", 100, " %")


def _answers(findings: Findings) -> str:
    agreement = findings.agreement
    numbers = [
        ("accuracy on held-out answers", _percent(agreement.heldout), f"{agreement.heldout.n:,}"),
        ("of these, about unseen clips", _percent(agreement.new), f"{agreement.new.n:,}"),
        ("accuracy on answers learned from", _percent(agreement.learned), f"{agreement.learned.n:,}"),
        ("difference, learned from minus held out", agreement.gap.text(".0f", 100, " points"), f"{agreement.gap.n:,}"),
        ("overconfidence", agreement.overconfidence.text(".0f", 100, " points"), f"{agreement.overconfidence.n:,}"),
    ]
    parts = [_table("Answers", ("", "95 % interval", "pairs"), numbers)]
    sure = agreement.groups.get("confidence of r-hat", ())
    caption = "Reliability: on the dashed line, confidence equals accuracy"
    parts.append(
        _figure(caption, charts.reliability(sure)) if sure else _missing(caption, agreement.heldout.missing or "too few answers")
    )
    for name, groups in agreement.groups.items():
        if groups:
            rows = [(group.name, percent(group.predicted), _percent(group.accuracy), f"{group.accuracy.n:,}") for group in groups]
            parts.append(_table(f"By {name}", ("", "predicted", "accuracy", "pairs"), rows))
    about = (
        f"{agreement.total:,} answers; {agreement.ties:,} pairs called equal are left out."
        if agreement.total
        else "There are no answers."
    )
    return _section("Agreement with answers", about, parts, words.ANSWERS)


def _truth(subject: Subject, findings: Findings) -> str:
    rows = [
        ("correlation per clip, held out", findings.clips),
        ("correlation per step, held out", findings.steps),
        ("correlation per clip, newest", findings.newest_clips),
        ("correlation per step, newest", findings.newest_steps),
        ("EPIC distance", findings.distances.epic),
        ("STARC distance", findings.distances.starc),
    ]
    numbers = [(name, estimate.text(), f"{estimate.n:,}") for name, estimate in rows]
    parts = [_table("r-hat and the true reward", ("", "95 % interval", "clips or steps"), numbers)]
    caption = "Held-out clips: mean reward per step"
    if subject.heldout.missing:
        parts.append(_missing(caption, subject.heldout.missing))
    else:
        true, predicted = subject.heldout.true.mean(axis=1), subject.heldout.predicted.mean(axis=1)
        parts.append(_figure(caption, charts.scatter(true, predicted, caption, ("true reward", "r-hat"))))
    order = findings.order
    tau = f"Kendall's tau {order.tau.text()}" if order.tau.known else order.tau.missing
    caption = f"Policies of the run, early to late: {tau}"
    if len(order.true):
        parts.append(
            _figure(caption, charts.scatter(order.true, order.predicted, caption, ("true reward per step", "r-hat per step")))
        )
    about = "A distance is 0 for rewards that order all policies alike, 0.71 for unrelated ones and 1 for opposite ones."
    return _section("r-hat against the true reward", about, parts, words.TRUTH)


def _training(findings: Findings) -> str:
    series, alarm = findings.series, findings.alarm
    caption = "r-hat (blue) and true reward (orange) per step over training"
    parts = []
    if series is None or len(series.step) < 2:
        parts.append(_missing(caption, findings.checks[-1].says))
    else:
        since = alarm.since if alarm is not None and alarm.rings else None
        top, bottom = (
            charts.lines(series.step, [(name, _smooth(y))], caption, ("environment steps", axis), since)
            for name, y, axis in (("predicted", series.predicted, "r-hat"), ("true", series.true, "true reward"))
        )
        parts += [_figure(f"r-hat per step: {series.source}", top), _figure("true reward per step, on the same steps", bottom)]
    ensemble = [
        ("disagreement, newest against labelled clips", findings.spread.text(), f"{findings.spread.n:,}"),
        ("correlation of two members, newest clips", findings.members.text(), f"{findings.members.n:,}"),
    ]
    parts.append(_table("Ensemble", ("", "95 % interval", "clips"), ensemble))
    about = "A policy exploits r-hat when the predicted reward rises while the true reward falls."
    return _section("Over training", about, parts, words.TRAINING)


def _smooth(y: np.ndarray, most: int = 150) -> np.ndarray:
    """Smooth a curve with a moving average, to the resolution of the chart."""
    width = max(1, len(y) // most)
    kernel = np.ones(width) / width
    return np.convolve(np.pad(y, (width // 2, width - 1 - width // 2), mode="edge"), kernel, mode="valid")


def _inputs(findings: Findings) -> str:
    caption = "Drop in accuracy, in points, when an input is shuffled between clips"
    parts = []
    measured = [worth for worth in findings.worth if worth.drop.known]
    if not measured:
        why = findings.worth[0].drop.missing if findings.worth else findings.inputs.missing or findings.agreement.heldout.missing
        parts.append(_missing(caption, why))
    elif findings.inputs.patches:
        drops = np.array([worth.drop.value for worth in measured if worth.name.startswith("patch")])
        side = round(len(drops) ** 0.5)
        parts.append(_figure(f"{caption}, by image patch", charts.patches(drops.reshape(side, side), caption)))
    ranked = sorted(measured, key=lambda worth: -worth.drop.value)[:SHOWN_INPUTS]
    drawn = [(w.name, w.drop.value, w.drop.low, w.drop.high) for w in ranked]
    if drawn:
        more = len(measured) - len(drawn)
        parts.append(_figure(f"{caption}{f'; the other {more} matter less' if more > 0 else ''}", charts.bars(drawn, caption)))
    alone = [(w.name, percent(w.alone)) for w in sorted(measured, key=lambda w: -np.nan_to_num(w.alone)) if w.alone == w.alone]
    if alone:
        parts.append(_table("What one input explains alone", ("", "of r-hat's variance"), alone[:6]))
    return _section("Inputs of r-hat", "Inputs by their importance to r-hat's accuracy.", parts, words.INPUTS)


def films_of(shown: Sequence[Shown], no_films: str = "") -> str:
    """Return the section with the clips; `no_films`: why there are no videos."""
    note = f'<p class="note">No videos: {escape(no_films)}</p>' if no_films else ""
    about = "Thin lines: members; thick line: r-hat; dashed line: true reward, scaled to r-hat."
    return _section("Clips", about, [note, *map(_clip, shown)], words.CLIPS)


def _clip(clip: Shown) -> str:
    """Return a video with the curves of the members below it."""
    film = f'<video src="{clip.video}" data-fps="{clip.fps:g}" muted loop playsinline autoplay></video>' if clip.video else ""
    about = f"{clip.title}: r-hat {clip.mean:+.2f} per step, members' standard deviation {clip.apart:.2f}"
    truth = "" if clip.true is None else f"; true reward {clip.true.mean():.3g} per step"
    inside = f"{film}{charts.members(clip.members, clip.true)}<figcaption>{escape(about + truth)}</figcaption>"
    return f'<figure class="clip" data-steps="{clip.members.shape[1]}">{inside}</figure>'
