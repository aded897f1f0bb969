"""The process that films the questions that people will be asked next: `python -m rlhp.web.clip_renderer RUN SIZE CODEC OVERLAP`.

It ends when its standard input closes, that is, with whoever started it. On standard output it says what keeps it from filming,
one sentence a line, and an empty line when it films again.
"""

from __future__ import annotations

import errno
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from rlhp import film
from rlhp.store import AnnotationQueue, Store
from rlhp.types import Array, Segment, UserError
from rlhp.web.clip_cache import CLIPS, RenderSettings
from rlhp.web.run_status import settings_of

AHEAD = 40  # questions for each person, newest first, that are kept filmed
PAUSE, RETRY = 0.1, 5.0  # seconds between looks for new questions; after a failure
STALE = 600.0  # seconds after which a half-made film belongs to nobody
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
Shoot = Callable[[Segment], Iterator[Array]]
Result = TypeVar("Result")


def _watched(pictures: Iterator[Array]) -> Iterator[Array]:
    """The pictures, unless nobody wants them any more."""
    for picture in pictures:
        if _over(0):
            sys.exit()
        yield picture


class ClipRenderer:
    """Films what is wanted and not there."""

    def __init__(self, run: Path, look: RenderSettings, overlap: int, ahead: int = AHEAD) -> None:
        self._run, self._look, self._ahead = run, look, ahead
        self._store = Store(run / "preferences.sqlite")
        self._desk = AnnotationQueue(self._store.database, overlap)
        self._done_at: tuple[int, int, int] | None = None
        for left in (run / CLIPS).glob("*.part"):  # by a filmer that was killed
            if time.time() - left.stat().st_mtime > STALE:
                left.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def next(self) -> str | None:
        """The segment to film next; None if all that is wanted is there."""
        version = (*self._store.database.version(), _changed(self._run / CLIPS))  # a clip that was discarded is filmed anew
        if version == self._done_at:
            return None
        for clips in self._desk.wanted(self._ahead):
            for segment in clips:
                if not self._look.file(self._run, segment).exists():
                    return segment
        self._done_at = version
        return None

    def film(self, shoot: Shoot, fps: Fraction | int, name: str) -> None:
        """Film one segment, at `fps` steps a second: complete or absent."""
        segment = self._store.segment(name)
        if segment is not None:  # else the run went back to a checkpoint
            film.write(shoot(segment), self._look.file(self._run, name), fps, self._look.codec)


def _changed(folder: Path) -> int:
    """When a file last came to or went from a folder, in ns since 1970; 0 before there is one."""
    return folder.stat().st_mtime_ns if folder.is_dir() else 0


def main(arguments: list[str]) -> None:
    """Film until standard input closes."""
    run, size, codec, overlap = Path(arguments[0]), int(arguments[1]), arguments[2], int(arguments[3])
    settings, speaker = settings_of(run), ProblemReporter()
    look = RenderSettings.of(settings, size, codec)
    filmer = _tried(lambda: ClipRenderer(run, look, overlap), speaker)  # once: to open a store is to check all of it
    if filmer is not None:
        with closing(filmer):
            _tried(lambda: _work(filmer, settings, look, speaker), speaker)


def _tried(attempt: Callable[[], Result], speaker: ProblemReporter) -> Result | None:
    """The result of an attempt, which is made every RETRY seconds until it succeeds; None if standard input closes before."""
    while not _over(0):
        try:
            return attempt()
        except UserError as error:
            speaker.say(str(error))
        except OSError as error:
            speaker.say(f"Clips cannot be written ({error.strerror or error}): {_remedy(error)}; filming then goes on by itself.")
        if _over(RETRY):
            break
    return None


def _remedy(error: OSError) -> str:
    return "make the run directory writable" if error.errno in UNWRITABLE else "free some space"


def _work(filmer: ClipRenderer, settings: Mapping[str, Any], look: RenderSettings, speaker: ProblemReporter) -> None:
    """Film, as long as all goes well."""
    film.check(look.codec)
    drawing = film.drawing(settings)
    with drawing.clip_renderer(look.size) as shoot:
        speaker.say("")
        while True:
            name = filmer.next()
            if name is not None:
                filmer.film(lambda segment: _watched(shoot(segment)), drawing.fps, name)
            if _over(0 if name else PAUSE):
                return


class ProblemReporter:
    """Says what keeps clips from being filmed, once."""

    def __init__(self) -> None:
        self._said = ""

    def say(self, problem: str) -> None:
        """Say it, unless it was said last; an empty line: nothing does any more."""
        if problem != self._said:
            print(" ".join(problem.split()), flush=True)
        self._said = problem


def _over(seconds: float) -> bool:
    """Whether standard input closes within so many seconds."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


if __name__ == "__main__":
    main(sys.argv[1:])
