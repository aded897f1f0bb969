"""The process that films the clips of the next questions: `python -m rlhp.web.clip_renderer RUN SIZE CODEC OVERLAP`.

It ends when its standard input closes, that is, when its parent process ends. It writes problems that prevent filming to
standard output, one sentence per line, and an empty line whenever filming starts.
"""

from __future__ import annotations

import errno
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from rlhp import film
from rlhp.atomic import PART
from rlhp.store import AnnotationQueue, Store
from rlhp.types import Array, Segment, UserError
from rlhp.web.clip_cache import CLIPS, RenderSettings
from rlhp.web.file_cache import changed
from rlhp.web.run_status import settings_of

AHEAD = 40  # questions filmed in advance for each annotator, newest first
PAUSE, RETRY = 0.1, 5.0  # seconds between checks for new questions; after a failure
STALE = 600.0  # seconds after which an unfinished clip is considered abandoned
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
Render = Callable[[Segment], Iterator[Array]]


class ClipRenderer:
    """Films clips that are needed and missing."""

    def __init__(self, run: Path, render_settings: RenderSettings, overlap: int, ahead: int = AHEAD) -> None:
        self._run, self._render_settings, self._ahead = run, render_settings, ahead
        self._store = Store(run / "preferences.sqlite")
        self._queue = AnnotationQueue(self._store.database, overlap)
        self._done_at: tuple[object, ...] | None = None
        for unfinished in (run / CLIPS).glob(f"*{PART}"):  # left by a renderer that was killed
            if time.time() - unfinished.stat().st_mtime > STALE:
                unfinished.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def next(self) -> str | None:
        """Return the segment to film next; None if all needed clips exist."""
        version = (*self._store.database.version(), changed(self._run / CLIPS))  # a deleted clip is filmed again
        if version == self._done_at:
            return None
        for clips in self._queue.wanted(self._ahead):
            for segment in clips:
                if not self._render_settings.file(self._run, segment).exists():
                    return segment
        self._done_at = version
        return None

    def film(self, render: Render, fps: Fraction | int, name: str) -> None:
        """Film one segment at `fps` steps per second. The clip file is either complete or absent."""
        segment = self._store.segment(name)
        if segment is not None:  # it is None if the run has resumed from an earlier checkpoint
            film.write(render(segment), self._render_settings.file(self._run, name), fps, self._render_settings.codec)


def main(arguments: list[str]) -> None:
    """Film clips until standard input closes. After an error, report it and try again after RETRY seconds."""
    run, size, codec, overlap = Path(arguments[0]), int(arguments[1]), arguments[2], int(arguments[3])
    settings = settings_of(run)
    render_settings = RenderSettings.of(settings, size, codec)
    with ExitStack() as stack:
        # opened once: opening a store checks all of it
        renderer = cache(lambda: stack.enter_context(closing(ClipRenderer(run, render_settings, overlap))))
        pause = 0.0
        while not _stdin_closes(pause):
            try:
                _render_clips(renderer(), settings, render_settings)
            except UserError as error:
                _report(str(error))
            except OSError as error:
                remedy = "make the run directory writable" if error.errno in UNWRITABLE else "free some space"
                _report(f"Clips cannot be written ({error.strerror or error}): {remedy}; filming then resumes.")
            pause = RETRY


def _render_clips(renderer: ClipRenderer, settings: Mapping[str, Any], render_settings: RenderSettings) -> None:
    """Film clips until standard input closes or an error occurs."""
    film.check(render_settings.codec)
    drawing = film.drawing(settings)
    with drawing.clip_renderer(render_settings.size) as render:
        _report("")
        while True:
            name = renderer.next()
            if name is not None:
                renderer.film(render, drawing.fps, name)
            if _stdin_closes(0 if name else PAUSE):
                return


def _report(problem: str) -> None:
    """Print a problem as one line; an empty line means that filming starts."""
    print(" ".join(problem.split()), flush=True)


def _stdin_closes(seconds: float) -> bool:
    """Return whether standard input closes within `seconds`."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


if __name__ == "__main__":
    main(sys.argv[1:])
