"""`/api/run`: the run as a person at the page sees it, and what its owner asks of it."""

from __future__ import annotations

import csv
from dataclasses import replace
from math import isfinite, nan
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from rlhp.answers import Foresight, foresight
from rlhp.run import Control, ask, change, control, finished, is_running
from rlhp.run.predictions import PREDICTIONS
from rlhp.store import newest_clips, ranked
from rlhp.web.app_state import AppState, app_state, bearer_of, owner_only
from rlhp.web.file_cache import FileCache, changed
from rlhp.web.schemas import Annotator

METRICS = "metrics.csv"
POINTS = 200  # of a curve
RECENT = 40  # questions, newest first, among which a clip that is filmed is looked for
MOST = 10_000  # labels that can be asked for at once
Point = tuple[int, float | None, float | None]

router = APIRouter(prefix="/api/run")


class Agreed(BaseModel):
    """The share of n answers that r-hat predicted before it learned from them, and its 95 % interval."""

    model_config = ConfigDict(from_attributes=True)

    share: float
    low: float
    high: float
    n: int


class Progress(BaseModel):
    """The run so far, and what is asked of it."""

    curve: list[Point] = Field(description="step, true return (null where unknown or not to be shown), r-hat's mean a step")
    agreement: Agreed | None = Field(description="with the answers of the annotator, or of everybody where the owner names none")
    film: str | None = Field(description="address of the newest policy's clip that is filmed")
    paused: bool
    stopping: bool
    stopped: int | None = Field(description="step from which the training goes on, where it was stopped from the page")
    labels: int = Field(description="wanted by the end, with those that were added")
    may_control: bool
    may_grow: str | None = Field(description="why no labels can be added; null where they can")


class More(BaseModel):
    """How many labels more than so far are wanted by the end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    more: int = Field(ge=1, le=MOST)


@router.get("")
def run(request: Request, annotator: Annotated[Annotator | None, Query()] = None) -> Progress:
    """The run so far. What the task's own reward tells is for its owner alone: nobody should answer by it."""
    room, who = app_state(request), bearer_of(request)
    asked = control(room.run)
    return Progress(
        curve=curve(room.run, room.seen, true=who.owns),
        agreement=_agreement(room, who.annotator or annotator),
        film=_film(room),
        paused=asked.paused,
        stopping=asked.stop,
        stopped=asked.stopped,
        labels=room.watcher().labels,
        may_control=who.owns,
        may_grow=unable_to_grow(room),
    )


@router.post("/pause", dependencies=[Depends(owner_only)])
def pause(request: Request) -> Progress:
    """Have the training wait after this round."""
    _ask(request, paused=True)
    return run(request)


@router.post("/resume", dependencies=[Depends(owner_only)])
def resume(request: Request) -> Progress:
    """Have it go on."""
    ask(app_state(request).run, paused=False)  # also one that was killed while it was paused
    return run(request)


@router.post("/stop", dependencies=[Depends(owner_only)])
def stop(request: Request) -> Progress:
    """Have the training end after this round, with a checkpoint from which the same command goes on."""
    _ask(request, stop=True)
    return run(request)


@router.post("/labels", dependencies=[Depends(owner_only)])
def labels(request: Request, body: More) -> Progress:
    """Have so many more questions asked by the end of the run, spread over the rest of it as its schedule spreads them."""
    room = app_state(request)
    if reason := unable_to_grow(room):
        raise HTTPException(409, reason)
    change(room.run, lambda asked: replace(asked, more=asked.more + body.more))
    room.watcher.forget()
    return run(request)


def _ask(request: Request, **fields: bool) -> Control:
    """Ask a training that is under way."""
    room = app_state(request)
    if not is_running(room.run):
        raise HTTPException(409, "no training is under way here: run its command again, and it goes on from its last checkpoint")
    return ask(room.run, **fields)


def unable_to_grow(room: AppState) -> str | None:
    """Why no labels can be added to a run, in a sentence; None where they can."""
    if finished(room.run):
        return f"the run is finished; rlhp extend {room.run} total_steps=... labels=... goes on with it"
    return None if room.watcher().labels else "this run asks no questions, so there are no labels to add to"


def _film(room: AppState) -> str | None:
    """Where the newest clip is that is filmed: it shows about the newest policy, and has cost nothing."""
    newest = (clip for clip in newest_clips(room.store.database, RECENT) if room.films.file(clip).exists())
    return next((f"api/clips/{clip}" for clip in newest), None)


def _agreement(room: AppState, annotator: str | None) -> Agreed | None:
    found: Foresight | None = room.seen(
        ("agreement", annotator),
        (changed(room.run / PREDICTIONS), room.store.database.version()),
        lambda: foresight(room.run, ranked(room.store.database, annotator)),
    )
    return None if found is None else Agreed.model_validate(found)


def curve(run: Path, seen: FileCache, true: bool, points: int = POINTS) -> list[Point]:
    """Steps, mean true returns of the episodes that ended, and means of r-hat a step, at most so many points, the newest last.

    True returns are None where they are not to be told (`true` False), and where no episode has ended by then.
    """
    rows: list[Point] = seen("curve", changed(run / METRICS), lambda: _rows(run))
    kept = [rows[round(i * (len(rows) - 1) / (points - 1))] for i in range(points)] if len(rows) > points else list(rows)
    return kept if true else [(step, None, predicted) for step, _, predicted in kept]


def _rows(run: Path) -> list[Point]:
    """All points of metrics.csv."""
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
    """A cell of a table; None where there is none, it is empty, or it is no number that JSON has."""
    value = float(row[column]) if column is not None and column < len(row) and row[column] else nan
    return value if isfinite(value) else None
