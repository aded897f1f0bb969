"""The cache of a run's clips on disk, and the process that films them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Event, Thread
from typing import Any

from rlhp.film import CODECS
from rlhp.web.file_cache import changed, read_whole

CLIPS = "clips"
PATIENCE = 5.0  # seconds before a renderer process that has ended is restarted


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How clips are filmed. Together with the segment, these settings determine a clip's file name."""

    task: str
    size: int  # pixels
    codec: str
    drawing: str = ""  # the run's `film` settings as JSON, if it has any

    @classmethod
    def of(cls, settings: Mapping[str, Any], size: int, codec: str) -> RenderSettings:
        """Return the render settings for a run's settings."""
        drawing = json.dumps(settings["film"], sort_keys=True) if settings.get("film") else ""
        return cls(str(settings["task"]), size, codec, drawing)

    def file(self, run: Path, segment: str) -> Path:
        """Return the path of a segment's clip, whether or not it exists yet."""
        content = f"{segment} {self.task} {self.size} {self.codec} {self.drawing}".rstrip()
        return run / CLIPS / f"{blake2b(content.encode(), digest_size=16).hexdigest()}.{CODECS[self.codec][1]}"


class ClipCache:
    """Films the clips of a run in advance, in a separate process, so that a crash of the graphics driver stops nothing else."""

    def __init__(self, run: Path, render_settings: RenderSettings, overlap: int) -> None:
        self._run, self._render_settings, self._overlap = run, render_settings, overlap
        self._closing = Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: Thread | None = None
        self._discarded: set[str] = set()
        self.problem: str | None = None  # why no clips are filmed at present, in a sentence

    def file(self, segment: str) -> Path:
        """Return the path of a segment's clip, whether or not it exists yet."""
        return self._render_settings.file(self._run, segment)

    def ready(self, segments: Iterable[str]) -> bool:
        """Return whether the clips of all these segments exist."""
        return all(self.file(segment).exists() for segment in segments)

    def version(self, segment: str) -> str | None:
        """Return the clip's ETag, which changes when the segment is filmed again; None if there is no clip."""
        now = changed(self.file(segment))
        return _etag(now) if now[0] else None

    def read(self, segment: str) -> tuple[str, bytes] | None:
        """Return the clip's ETag and content; None if there is no clip, for example since it was discarded."""
        found = read_whole(self.file(segment))
        return None if found is None else (_etag(found[0]), found[1])

    def discard(self, segment: str, version: str) -> bool:
        """Delete a clip that does not play, so that it is filmed again; at most once per segment.

        Returns whether a version other than `version` exists or will exist.
        """
        if self.version(segment) != version:
            return True
        if segment in self._discarded:
            return False
        self._discarded.add(segment)
        self.file(segment).unlink(missing_ok=True)
        return True

    def start(self) -> None:
        """Start the renderer process."""
        self._thread = Thread(target=self._keep_rendering, name="clip renderer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop the renderer process."""
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join()

    def _keep_rendering(self) -> None:
        """Run the renderer process, and restart it whenever it ends, until `close` is called."""
        settings = self._render_settings
        arguments = [str(self._run), str(settings.size), settings.codec, str(self._overlap)]
        while not self._closing.is_set():
            # the pipe closes however this process ends, and then the renderer ends too
            with subprocess.Popen(
                [sys.executable, "-m", "rlhp.web.clip_renderer", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C reaches the page only, which then stops this process
            ) as self._process:
                if self._closing.is_set():  # `close` was called while the process was starting
                    self._process.terminate()
                for line in self._process.stdout or ():
                    self.problem = line.strip() or None
            if not self._closing.is_set():
                status = self._process.returncode
                self.problem = self.problem or f"The process that films clips has ended (status {status}); it is being restarted."
            self._closing.wait(PATIENCE)


def _etag(version: tuple[int, int]) -> str:
    return f'"{version[0]:x}-{version[1]:x}"'
