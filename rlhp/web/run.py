"""`/api/run`: the progress of the run, and its owner's controls."""

from __future__ import annotations

import csv
from dataclasses import replace
from math import isfinite, nan
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from rlhp.answers import PredictionAccuracy, prediction_accuracy
from rlhp.run import Control, ask, change, control, finished, is_running
from rlhp.run.predictions import PREDICTIONS
from rlhp.store import judged, newest_clips
from rlhp.web.app_state import AppState, app_state, bearer_of, owner_only
from rlhp.web.file_cache import FileCache, changed
from rlhp.web.schemas import Annotator

METRICS = "metrics.csv"
POINTS = 200  # maximum number of points of a curve
RECENT = 40  # questions, newest first, that are searched for a filmed clip
MOST = 10_000  # maximum number of labels to add at once
Point = tuple[int, float | None, float | None]

router = APIRouter(prefix="/api/run")


class Agreed(BaseModel):
    """The share of n answers that r-hat predicted before it was fitted to them, with its 95 % interval."""

    model_config = ConfigDict(from_attributes=True)

    share: float
    low: float
    high: float
    n: int


class Progress(BaseModel):
    """The progress of the run and its controls."""

    curve: list[Point] = Field(description="step, true return (null if unknown or hidden), mean r-hat per step")
    agreement: Agreed | None = Field(description="with the answers of one annotator, or of all if the owner names none")
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
def run(request: Request, annotator: Annotated[Annotator | None, Query()] = None) -> Progress:
    """Return the progress of the run.

    Only the owner sees true returns, so that no annotator answers by them.
    """
    state, who = app_state(request), bearer_of(request)
    requested = control(state.run)
    return Progress(
        curve=curve(state.run, state.cache, true=who.owns),
        agreement=_agreement(state, who.annotator or annotator),
        film=_film(state),
        paused=requested.paused,
        stopping=requested.stop,
        stopped=requested.stopped,
        labels=state.run_status().labels,
        may_control=who.owns,
        may_grow=unable_to_grow(state),
    )


@router.post("/pause", dependencies=[Depends(owner_only)])
def pause(request: Request) -> Progress:
    """Pause the training after this round."""
    _request_control(request, paused=True)
    return run(request)


@router.post("/resume", dependencies=[Depends(owner_only)])
def resume(request: Request) -> Progress:
    """Resume a paused training."""
    ask(app_state(request).run, paused=False)  # also for a training that was killed while paused
    return run(request)


@router.post("/stop", dependencies=[Depends(owner_only)])
def stop(request: Request) -> Progress:
    """Stop the training after this round, with a checkpoint from which the same command resumes."""
    _request_control(request, stop=True)
    return run(request)


@router.post("/labels", dependencies=[Depends(owner_only)])
def labels(request: Request, body: More) -> Progress:
    """Add labels to the run's total, distributed over the rest of the run by its schedule."""
    state = app_state(request)
    if reason := unable_to_grow(state):
        raise HTTPException(409, reason)
    change(state.run, lambda requested: replace(requested, more=requested.more + body.more))
    state.run_status.forget()
    return run(request)


def _request_control(request: Request, **fields: bool) -> Control:
    """Send a request to a running training. Raises HTTPException (409) if there is none."""
    state = app_state(request)
    if not is_running(state.run):
        raise HTTPException(409, "no training is running here: run its command again to resume from the last checkpoint")
    return ask(state.run, **fields)


def unable_to_grow(state: AppState) -> str | None:
    """Return why no labels can be added to a run, in a sentence; None if they can."""
    if finished(state.run):
        return f"the run is finished; continue it with rlhp extend {state.run} total_steps=... labels=..."
    return None if state.run_status().labels else "this run asks no questions, so there are no labels to add to"


def _film(state: AppState) -> str | None:
    """Return the URL of the newest filmed clip: it approximately shows the newest policy at no extra cost."""
    newest = (clip for clip in newest_clips(state.store.database, RECENT) if state.clips.file(clip).exists())
    return next((f"api/clips/{clip}" for clip in newest), None)


def _agreement(state: AppState, annotator: str | None) -> Agreed | None:
    found: PredictionAccuracy | None = state.cache(
        ("agreement", annotator),
        (changed(state.run / PREDICTIONS), state.store.database.version()),
        lambda: prediction_accuracy(state.run, judged(state.store.database, annotator)),
    )
    return None if found is None else Agreed.model_validate(found)


def curve(run: Path, cache: FileCache, true: bool, points: int = POINTS) -> list[Point]:
    """Return up to `points` points in the order of steps: step, mean true return of the ended episodes, mean r-hat per step.

    True returns are None if `true` is False, and where no episode has ended yet.
    """
    rows: list[Point] = cache("curve", changed(run / METRICS), lambda: _rows(run))
    kept = [rows[round(i * (len(rows) - 1) / (points - 1))] for i in range(points)] if len(rows) > points else list(rows)
    return kept if true else [(step, None, predicted) for step, _, predicted in kept]


def _rows(run: Path) -> list[Point]:
    """Read all points of metrics.csv."""
    try:
        with (run / METRICS).open(newline="") as file:
            text = file.read()
    except OSError:
        return []
    rows = csv.reader(text[: text.rfind("\n") + 1].splitlines())
    columns = {name: place for place, name in enumerate(next(rows, []))}
    true, predicted = (columns.get(name) for name in ("true_return", "reward_mean"))
    return [(int(row[0]), _number(row, true), _number(row, predicted)) for row in rows]


def _number(row: list[str], column: int | None) -> float | None:
    """Return a cell as a number; None if it is missing, empty or not finite, which JSON cannot express."""
    value = float(row[column]) if column is not None and column < len(row) and row[column] else nan
    return value if isfinite(value) else None
