"""A run opened to be labelled: its store, its desk, and the process that films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlhp.run import is_running
from rlhp.store import VERSION, AnnotationQueue, Store, version_of
from rlhp.types import UserError
from rlhp.web.app_state import Activity, AppState
from rlhp.web.clip_cache import ClipCache, RenderSettings
from rlhp.web.options import Options
from rlhp.web.run_status import RunStatusReader


def open_store(run: Path) -> Store:
    """The run's store. Raises UserError if it is of an older version and in use by one."""
    file = run / "preferences.sqlite"
    if file.is_file() and is_running(run) and version_of(file) < VERSION:
        raise UserError(
            f"{run} is being trained by an older rlhp, which could not read the store any more: stop that training, "
            "run its command again with this rlhp, then serve the page."
        )
    return Store(file)


def open_app_state(
    run: Path, settings: Mapping[str, Any], options: Options, token: str, annotators: Sequence[str] = ()
) -> AppState:
    """What requests to the page of a run find. Nothing is filmed before `room.films.start()`.

    Raises UserError where its store cannot be used, and for options that make no sense.
    """
    store = open_store(run)
    look = RenderSettings.of(settings, options.size, options.codec)
    return AppState(
        run=run,
        settings=settings,
        store=store,
        desk=AnnotationQueue(store.database, options.overlap, options.repeats),
        films=ClipCache(run, look, options.overlap),
        watcher=RunStatusReader(run, store, settings),
        visits=Activity(),
        minimum_view=options.minimum_view,
        codec=options.codec,
        token=token,
        annotators=annotators,
    )


def close_app_state(room: AppState) -> None:
    """End what films and inspects, and close the store."""
    room.inspection.close()
    room.films.close()
    room.store.close()
