"""Summary and figure of a run of `rlhp fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rlhp.analysis.single import aligned, or_dash
from rlhp.analysis.style import BLUE, GREEN, INK, QUIET, figure, save, tidy
from rlhp.run import load, read_json
from rlhp.run.directory import FINISHED
from rlhp.types import UserError

CURVES = {"train": (QUIET, "training"), "valid": (GREEN, "validation, per member"), "heldout": (BLUE, "held-out")}


def fit_summary(run: Path) -> str:
    """Summarise a finished fit in a few aligned lines. Raises UserError if it is not finished."""
    data, held = load(run), _heldout(run)
    rows = {
        "comparisons": f"{data.labels:,} used for fitting, {held['comparisons']:,} held out",
        "held-out accuracy": _accuracy(held),
        "held-out loss": "-" if held.get("heldout_loss") is None else f"{held['heldout_loss']:.3f} nats (guessing: 0.693)",
        "training accuracy": _percent(data.last("train_accuracy")),
        "validation accuracy": f"{_percent(data.last('valid_accuracy'))}, on the comparisons that each member leaves out",
        "gradient steps": f"{data.step:,}",
    }
    return aligned(rows)


def heldout_accuracy(run: Path) -> float:
    """Return the fraction of held-out comparisons that a fit predicts correctly. Raises UserError if there are none."""
    share = _heldout(run)["share"]
    if share is None:
        raise UserError(f"{run} has no held-out comparisons; hold some out with heldout=0.2.")
    return float(share)


def _heldout(run: Path) -> dict[str, Any]:
    found = read_json(run / FINISHED).get("heldout")
    if not isinstance(found, dict):
        raise UserError(f"{run} is not a finished fit; run its command again.")
    return found


def _accuracy(held: dict[str, Any]) -> str:
    if held["share"] is None:
        return "- (no held-out comparison prefers a segment)"
    low, high = (100 * held[name] for name in ("low", "high"))
    found = (
        f"{_percent(held['share'])} ({low:.1f} to {high:.1f} %: {held['method']}) of {held['decided']:,} that prefer a segment"
    )
    return found + ("" if held["apart"] else "; their segments are also in comparisons used for fitting")


def _percent(share: float) -> str:
    return or_dash(100 * share, ".1f", " %")


def fit_png(run: Path, out: Path) -> Path:
    """Plot accuracies and losses over gradient steps. Raises UserError if there are none, or the figure cannot be written."""
    data = load(run)
    page = figure(7.0, 5.0)
    grid = page.add_gridspec(2)
    for place, (what, scale, label) in enumerate((("accuracy", 100, "Accuracy, %"), ("loss", 1, "Loss, nats"))):
        axes = tidy(page.add_subplot(grid[place]))
        for name, (colour, legend) in CURVES.items():
            step, value = data.known(f"{name}_{what}")
            if len(step):
                axes.plot(step, scale * value, color=colour, linewidth=1.6, label=legend)
        axes.set_ylabel(label, color=INK)
        if place == 0:
            axes.axhline(50, color=QUIET, linewidth=1, linestyle="--")
            axes.set_title(f"{data.task}: {data.labels:,} comparisons", fontsize=11, color=INK)
            axes.legend(loc="lower right", frameon=False, labelcolor=INK, fontsize=8)
    page.axes[-1].set_xlabel("Gradient steps", color=INK)
    return save(page, out)
