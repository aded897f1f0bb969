"""The report: one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np

from rlhp.inspect import charts
from rlhp.inspect.checks import Check, Outcome
from rlhp.inspect.estimate import Estimate
from rlhp.inspect.films import Shown
from rlhp.inspect.findings import Findings, Subject

HERE = Path(__file__).parent
SHOWN_INPUTS = 14  # those that are worth most
WORDS = {
    Outcome.SOUND: "No fault was found",
    Outcome.FLAGGED: "This reward has faults",
    Outcome.UNKNOWN: "Too little is known",
}
MARKS = {Outcome.SOUND: "✓", Outcome.FLAGGED: "!", Outcome.UNKNOWN: "?"}


def page(of: Subject, found: Findings, shown: Sequence[Shown], no_films: str, at: datetime | None = None) -> str:
    """The whole file."""
    name = of.run.path.resolve().name
    sections = [
        _checks(found.checks),
        _answers(found),
        _truth(of, found),
        _training(found),
        _inputs(found),
        _clips(shown, no_films),
    ]
    style, script = ((HERE / f"report.{kind}").read_text("utf-8") for kind in ("css", "js"))
    made = (at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    about = f"{of.run.task}, {of.run.condition}, seed {of.run.seed}, step {of.run.step:,}; made {made}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>r-hat of {escape(name)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            f"<header><h1>r-hat of {escape(name)}</h1><p>{escape(about)}</p></header>\n<main>",
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
    return f'<section class="card verdict {verdict.name.lower()}"><h2>{WORDS[verdict]}</h2><ul class="checks">{"".join(rows)}</ul></section>'


def _section(title: str, about: str, parts: Sequence[str], how: str) -> str:
    details = f"<details><summary>How this is computed</summary><p>{escape(how)}</p></details>"
    body = "".join(part for part in parts if part)
    return (
        f'<section class="card"><h2>{escape(title)}</h2><p>{escape(about)}</p><div class="grid">{body}</div>{details}</section>'
    )


def _figure(caption: str, inside: str) -> str:
    return f"<figure>{inside}<figcaption>{escape(caption)}</figcaption></figure>"


def _missing(caption: str, why: str) -> str:
    return f'<figure class="missing"><p>{escape(why)}</p><figcaption>{escape(caption)}</figcaption></figure>'


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return f'<div class="table"><table><caption>{escape(title)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _percent(estimate: Estimate) -> str:
    return estimate.text(".0f", 100, " %")


def _answers(found: Findings) -> str:
    of = found.agreement
    numbers = [
        ("right about held-out answers", _percent(of.heldout), f"{of.heldout.n:,}"),
        ("right about answers learned from", _percent(of.learned), f"{of.learned.n:,}"),
        ("difference, on the same answers", of.gap.text(".0f", 100, " points"), f"{of.gap.n:,}"),
        ("surer than right", of.overconfidence.text(".0f", 100, " points"), f"{of.overconfidence.n:,}"),
    ]
    parts = [_table("Answers", ("", "95 % interval", "pairs"), numbers)]
    sure = of.groups.get("how sure r-hat is", ())
    caption = "Reliability: on the dashed line r-hat is as sure as it is right"
    parts.append(
        _figure(caption, charts.reliability(sure)) if sure else _missing(caption, of.heldout.missing or "too few answers")
    )
    for name, groups in of.groups.items():
        if groups:
            rows = [(group.name, f"{group.predicted:.0%}", _percent(group.accuracy), f"{group.accuracy.n:,}") for group in groups]
            parts.append(_table(f"By {name}", ("", "predicted", "right", "pairs"), rows))
    about = f"{of.total:,} answers; {of.ties:,} pairs were found equal and are left out." if of.total else "There are no answers."
    how = (
        "Every answer is judged by those members of the ensemble that never learn from it: the bootstrap hides a third of the answers "
        "from each of them. A single member is a little less accurate than the whole ensemble, so these shares are on the low side. "
        "Answers that came too late to be learned from are judged by all members. Intervals are Wilson's, widened where answers share "
        "clips or annotators; differences are bootstrapped over questions."
    )
    return _section("Answers that r-hat has not learned from", about, parts, how)


def _truth(of: Subject, found: Findings) -> str:
    rows = [
        ("correlation per clip, held out", found.clips),
        ("correlation per step, held out", found.steps),
        ("correlation per clip, newest", found.newest_clips),
        ("correlation per step, newest", found.newest_steps),
        ("EPIC distance", found.distances.epic),
        ("STARC distance", found.distances.starc),
    ]
    numbers = [(name, estimate.text(), f"{estimate.n:,}") for name, estimate in rows]
    parts = [_table("r-hat and the true reward", ("", "95 % interval", "clips or steps"), numbers)]
    caption = "Clips that nobody was asked about: their mean reward per step"
    if of.heldout.missing:
        parts.append(_missing(caption, of.heldout.missing))
    else:
        true, predicted = of.heldout.true.mean(axis=1), of.heldout.predicted.mean(axis=1)
        parts.append(_figure(caption, charts.scatter(true, predicted, caption, ("true reward", "r-hat"))))
    order = found.order
    caption = f"Policies of the run, early to late: Kendall's tau {order.tau.text()}"
    if len(order.true):
        parts.append(
            _figure(caption, charts.scatter(order.true, order.predicted, caption, ("true reward per step", "r-hat per step")))
        )
    about = "A distance is 0 for rewards that order all policies alike, 0.71 for unrelated ones and 1 for opposite ones."
    how = (
        "The newest policy acts in 16 new environments and takes a quarter of its actions uniformly at random; these "
        f"{found.distances.steps:,} steps are the coverage distribution. EPIC (Gleave et al. 2021) reads both rewards as functions of "
        "state and action: the mean over actions at a state is a ridge regression on the steps with random actions, on random "
        "features of the observation. STARC (Skalse et al. 2024) takes the value of each reward under the policy that acted, by "
        "least-squares temporal differences on the same features, and compares what is left: the advantages. Both rewards go "
        "through the same fits. Intervals are bootstrapped over blocks of 32 steps, with fits of their own. Where a task's dynamics "
        "are random, the next state is a sample, which makes rewards less alike than they are. Policies are the parts of the run, each by the "
        "held-out clips of its time."
    )
    return _section("r-hat against the true reward", about, parts, how)


def _training(found: Findings) -> str:
    series, alarm = found.series, found.alarm
    caption = "r-hat (blue) and true reward (orange) per step over training"
    parts = []
    if series is None or len(series.step) < 2:
        parts.append(_missing(caption, found.checks[-1].says))
    else:
        since = alarm.since if alarm is not None and alarm.rings else None
        top, bottom = (
            charts.lines(series.step, [(name, _smooth(y))], caption, ("environment steps", words), since)
            for name, y, words in (("predicted", series.predicted, "r-hat"), ("true", series.true, "true reward"))
        )
        parts += [_figure(f"r-hat per step: {series.of}", top), _figure("true reward per step, on the same steps", bottom)]
    parts.append(
        _table(
            "Ensemble",
            ("", "95 % interval", "clips"),
            [("disagreement, newest against labelled clips", found.spread.text(), f"{found.spread.n:,}")],
        )
    )
    about = "A policy exploits r-hat where the predicted reward goes up and the true one goes down."
    how = (
        "From each point that leaves a quarter of the series, straight lines are fitted to the end; the statistic is the largest, over the "
        "points, of the smaller one of the t values of r-hat's rise and of the true reward's fall. It is compared with flat series whose "
        "residuals are drawn in blocks from those of a two-line fit. The alarm rings at p <= 0.01 and a fall of a tenth of the "
        "range. In 900 simulated runs without exploitation it rang 9 times, in the worst case (noise of autocorrelation 0.8) in 2 % of "
        "150. Disagreement is the standard deviation over members of a clip's mean reward, each member in its own spread over labelled "
        "steps; intervals are bootstrapped over clips."
    )
    return _section("Over training", about, parts, how)


def _smooth(y: np.ndarray, most: int = 150) -> np.ndarray:
    """Running means, so that a curve has no more detail than can be seen."""
    width = max(1, len(y) // most)
    kernel = np.ones(width) / width
    return np.convolve(np.pad(y, (width // 2, width - 1 - width // 2), mode="edge"), kernel, mode="valid")


def _inputs(found: Findings) -> str:
    caption = "Points of accuracy that are lost where an input is another clip's"
    parts = []
    if not found.worth:
        parts.append(_missing(caption, found.inputs.missing or found.agreement.heldout.missing))
    elif found.inputs.patches:
        drops = np.array([worth.drop.value for worth in found.worth if worth.name.startswith("patch")])
        side = round(len(drops) ** 0.5)
        parts.append(_figure(f"{caption}, by parts of the picture", charts.patches(drops.reshape(side, side), caption)))
    ranked = sorted(found.worth, key=lambda worth: -worth.drop.value)[:SHOWN_INPUTS]
    drawn = [(w.name, w.drop.value, w.drop.low, w.drop.high) for w in ranked if w.drop.known]
    if drawn:
        more = len(found.worth) - len(drawn)
        parts.append(_figure(f"{caption}{f'; the other {more} are worth less' if more > 0 else ''}", charts.bars(drawn, caption)))
    alone = [(w.name, f"{w.alone:.0%}") for w in sorted(found.worth, key=lambda w: -np.nan_to_num(w.alone)) if w.alone == w.alone]
    if alone:
        parts.append(_table("What one input carries alone", ("", "of r-hat's variance"), alone[:6]))
    how = (
        "On held-out answers, an input is given the course over time that it has in another clip; the drop in accuracy is the mean of five "
        "such shufflings (one for pictures), with a bootstrap interval over questions. What an input carries alone is the squared correlation of "
        "r-hat with itself where all other inputs are shuffled. Inputs that go together share their worth: each may look worthless "
        "while the other is there."
    )
    return _section("What r-hat looks at", "Inputs by how much its accuracy hangs on them.", parts, how)


def _clips(shown: Sequence[Shown], no_films: str) -> str:
    parts = []
    for clip in shown:
        seconds = (
            f'<video src="{clip.video}" data-fps="{clip.fps:g}" muted loop playsinline autoplay></video>' if clip.video else ""
        )
        words = f"{clip.title}: r-hat {clip.mean:+.2f} a step, members apart by {clip.apart:.2f}"
        truth = "" if clip.true is None else f"; true reward {clip.true.mean():.3g} a step"
        curve = charts.members(clip.members, clip.true)
        parts.append(
            f'<figure class="clip" data-steps="{clip.members.shape[1]}">{seconds}{curve}<figcaption>{escape(words + truth)}</figcaption></figure>'
        )
    about = "Thin lines are the members, the thick one is r-hat; the dashed one is the true reward, brought to r-hat's scale."
    note = f'<p class="note">No films: {escape(no_films)}</p>' if no_films else ""
    how = (
        "Clips that nobody was asked about, held out over the whole run or of the newest policies. r-hat is the mean of the members, each with mean "
        "0 and spread 1 over labelled steps. The line moves with the film."
    )
    return _section("Clips", about, [note, *parts], how)
