"""`/api/run`: the progress of the run, and its owner's controls."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite, nan
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from rlhp.answers import PredictionAccuracy, prediction_accuracy
from rlhp.answers.over_time import thinned
from rlhp.run import ask, change, control, finished, is_running
from rlhp.run.record import read_table
from rlhp.store import judged, newest_clips
from rlhp.web.app_state import AppState, Sender, State, owner_only
from rlhp.web.file_cache import FileCache, changed
from rlhp.web.schemas import Annotator

METRICS = "metrics.csv"
POINTS = 200  # maximum number of points of a curve
RECENT = 40  # questions, newest first, that are searched for a filmed clip
MOST = 10_000  # maximum number of labels to add at once
ORDERS = {"pause": {"paused": True}, "resume": {"paused": False}, "stop": {"stop": True}}
Point = tuple[int, float | None, float | None]

router = APIRouter(prefix="/api/run")


class Progress(BaseModel):
    """The progress of the run and its controls."""

    curve: list[Point] = Field(description="step, true return (null if unknown or hidden), mean r-hat per step")
    agreement: PredictionAccuracy | None = Field(description="with one annotator's answers, or with all if the owner names none")
    film: str | None = Field(description="URL of the newest filmed clip")
    paused: bool
    stopping: bool
    stopped: int | None = Field(description="step from which the training will resume, if it was stopped from the page")
    labels: int = Field(description="total by the end of the run, including added ones")
    may_control: bool
    may_grow: str | None = Field(description="why no labels can be added; null if they can")


class More(BaseModel):
    """The number of labels to add to the run's total."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    more: int = Field(ge=1, le=MOST)


@router.get("")
def run(state: State, sender: Sender, annotator: Annotated[Annotator | None, Query()] = None) -> Progress:
    """Return the progress of the run.

    Only the owner sees true returns, so that no annotator answers by them.
    """
    requested, labels = control(state.run), state.status().labels
    return Progress(
        curve=curve(state.run, state.cache, true=sender.owns),
        agreement=_agreement(state, sender.annotator or annotator),
        film=_film(state),
        paused=requested.paused,
        stopping=requested.stop,
        stopped=requested.stopped,
        labels=labels,
        may_control=sender.owns,
        may_grow=unable_to_grow(state.run, labels),
    )


@router.post("/labels", dependencies=[Depends(owner_only)])
def labels(state: State, sender: Sender, body: More) -> Progress:
    """Add labels to the run's total, distributed over the rest of the run by its schedule."""
    if reason := unable_to_grow(state.run, state.status().labels):
        raise HTTPException(409, reason)
    change(state.run, lambda requested: replace(requested, more=requested.more + body.more))
    return run(state, sender)


@router.post("/{order}", dependencies=[Depends(owner_only)])
def give(state: State, sender: Sender, order: Literal["pause", "resume", "stop"]) -> Progress:
    """Pause the training after this round, resume it, or stop it with a checkpoint from which the same command resumes.

    Raises HTTPException (409) if there is no training to pause or stop.
    """
    if order != "resume" and not is_running(state.run):  # a training that was killed while paused is resumed, too
        raise HTTPException(409, "no training is running here: run its command again to resume from the last checkpoint")
    ask(state.run, **ORDERS[order])
    return run(state, sender)


def unable_to_grow(run: Path, labels: int) -> str | None:
    """Return why a run's total of `labels` cannot grow, in a sentence; None if it can."""
    if finished(run):
        return f"the run is finished; continue it with rlhp extend {run} total_steps=... labels=..."
    return None if labels else "this run asks no questions, so there are no labels to add to"


def _film(state: AppState) -> str | None:
    """Return the URL of the newest filmed clip: it approximately shows the newest policy at no extra cost."""
    newest = (clip for clip in newest_clips(state.store.database, RECENT) if state.clips.file(clip).exists())
    return next((f"api/clips/{clip}" for clip in newest), None)


def _agreement(state: AppState, annotator: str | None) -> PredictionAccuracy | None:
    return state.cache(
        ("agreement", annotator),
        state.answers_version(),
        lambda: prediction_accuracy(state.run, judged(state.store.database, annotator)),
    )


def curve(run: Path, cache: FileCache, true: bool, points: int = POINTS) -> list[Point]:
    """Return up to `points` points in the order of steps: step, mean true return of the ended episodes, mean r-hat per step.

    True returns are None if `true` is False, and where no episode has ended yet.
    """
    kept = thinned(cache("curve", changed(run / METRICS), lambda: _rows(run)), points)
    return [(step, shown if true else None, predicted) for step, shown, predicted in kept]


def _rows(run: Path) -> list[Point]:
    """Read all points of metrics.csv."""
    rows = read_table(run / METRICS)
    return [(int(row["step"]), _number(row.get("true_return")), _number(row.get("reward_mean"))) for row in rows]


def _number(cell: str | None) -> float | None:
    """Return a cell as a number; None if it is missing, empty or not finite, which JSON cannot express."""
    value = float(cell or nan)
    return value if isfinite(value) else None
