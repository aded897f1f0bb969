"""Open a run for annotation: its store, its queue of questions, and the process that films clips."""

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
    """Open the run's store. Raises UserError if an older version of rlhp is using it."""
    file = run / "preferences.sqlite"
    if file.is_file() and is_running(run) and version_of(file) < VERSION:
        raise UserError(
            f"{run} is being trained by an older rlhp, which cannot read the store of this version: stop that training, "
            "run its command again with this rlhp, then serve the page."
        )
    return Store(file)


def open_app_state(
    run: Path, settings: Mapping[str, Any], options: Options, token: str, annotators: Sequence[str] = ()
) -> AppState:
    """Create the state of a run's page. Filming starts with `state.clips.start()`.

    Raises UserError if the store cannot be used or an option is invalid.
    """
    store = open_store(run)
    render_settings = RenderSettings.of(settings, options.size, options.codec)
    return AppState(
        run=run,
        settings=settings,
        store=store,
        queue=AnnotationQueue(store.database, options.overlap, options.repeats),
        clips=ClipCache(run, render_settings, options.overlap),
        run_status=RunStatusReader(run, store, settings),
        activity=Activity(),
        minimum_view=options.minimum_view,
        codec=options.codec,
        token=token,
        annotators=annotators,
    )


def close_app_state(state: AppState) -> None:
    """Stop filming and inspecting, and close the store."""
    state.inspection.close()
    state.clips.close()
    state.store.close()
