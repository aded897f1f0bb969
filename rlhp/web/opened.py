"""A run opened to be labelled: its store, its desk, and the process that films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rlhp.run import under_way
from rlhp.store import VERSION, Desk, Store, version_of
from rlhp.types import UserError
from rlhp.web.films import Films, Look
from rlhp.web.options import Options
from rlhp.web.room import Room, Visits
from rlhp.web.standing import Watcher


def open_store(run: Path) -> Store:
    """The run's store. Raises UserError if it is of an older version and in use by one."""
    file = run / "preferences.sqlite"
    if file.is_file() and under_way(run) and version_of(file) < VERSION:
        raise UserError(
            f"{run} is being trained by an older rlhp, which could not read the store any more: stop that training, "
            "run its command again with this rlhp, then serve the page."
        )
    return Store(file)


def open_room(run: Path, settings: Mapping[str, Any], options: Options, token: str, annotators: Sequence[str] = ()) -> Room:
    """What requests to the page of a run find. Nothing is filmed before `room.films.start()`.

    Raises UserError where its store cannot be used, and for options that make no sense.
    """
    store = open_store(run)
    look = Look.of(settings, options.size, options.codec)
    return Room(
        run=run,
        settings=settings,
        store=store,
        desk=Desk(store.database, options.overlap, options.repeats),
        films=Films(run, look, options.overlap),
        watcher=Watcher(run, store, settings),
        visits=Visits(),
        minimum_view=options.minimum_view,
        codec=options.codec,
        token=token,
        annotators=annotators,
    )


def close_room(room: Room) -> None:
    """End what films and inspects, and close the store."""
    room.inspection.close()
    room.films.close()
    room.store.close()
