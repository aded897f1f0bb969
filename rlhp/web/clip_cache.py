"""The clips of a run on disk, and the process that films them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from threading import Event, Thread
from typing import Any

from rlhp.film import CODECS

CLIPS = "clips"
PATIENCE = 5.0  # seconds before a filmer that has ended is started anew


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How clips are filmed: what, besides the segment itself, tells one file from another."""

    task: str
    size: int  # pixels
    codec: str
    drawing: str = ""  # the settings of what draws them, where a run has any

    @classmethod
    def of(cls, settings: Mapping[str, Any], size: int, codec: str) -> RenderSettings:
        """How the clips of a run are filmed."""
        drawing = json.dumps(settings["film"], sort_keys=True) if settings.get("film") else ""
        return cls(str(settings["task"]), size, codec, drawing)

    def file(self, run: Path, segment: str) -> Path:
        """Where the clip of a segment lies, or will."""
        content = f"{segment} {self.task} {self.size} {self.codec} {self.drawing}".rstrip()
        return run / CLIPS / f"{blake2b(content.encode(), digest_size=16).hexdigest()}.{CODECS[self.codec][1]}"


class ClipCache:
    """Has the clips of a run filmed ahead, in a process of its own: a graphics driver that crashes takes nothing along."""

    def __init__(self, run: Path, look: RenderSettings, overlap: int) -> None:
        self._run, self._look, self._overlap = run, look, overlap
        self._closing = Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread: Thread | None = None
        self._discarded: set[str] = set()
        self.problem: str | None = None  # why nothing is filmed now, if so: a sentence

    def file(self, segment: str) -> Path:
        """The clip of a segment; it may not be there yet."""
        return self._look.file(self._run, segment)

    def ready(self, segments: Sequence[str]) -> bool:
        """Whether all of these can be shown."""
        return all(self.file(segment).exists() for segment in segments)

    def version(self, segment: str) -> str | None:
        """The clip's ETag, which tells one film of a segment from the next; None if it is not filmed."""
        try:
            there = self.file(segment).stat()
        except OSError:
            return None
        return f'"{there.st_mtime_ns:x}-{there.st_size:x}"'

    def discard(self, segment: str, version: str) -> bool:
        """Have a clip that does not play filmed anew, once; whether there is, or will be, another one than `version`."""
        if self.version(segment) != version:
            return True
        if segment in self._discarded:
            return False
        self._discarded.add(segment)
        self.file(segment).unlink(missing_ok=True)
        return True

    def start(self) -> None:
        """Begin to film."""
        self._thread = Thread(target=self._keep_filming, name="filmer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop filming."""
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread is not None:
            self._thread.join()

    def _keep_filming(self) -> None:
        while not self._closing.is_set():
            status = self._film()
            if not self._closing.is_set():
                self.problem = self.problem or f"The process that films clips has ended (status {status}); it is started again."
            self._closing.wait(PATIENCE)

    def _film(self) -> int:
        """Film in a process until it ends; its status."""
        look = self._look
        arguments = [str(self._run), str(look.size), look.codec, str(self._overlap)]
        # the pipe to it closes however this process ends, and with it the filmer ends
        with subprocess.Popen(
            [sys.executable, "-m", "rlhp.web.clip_renderer", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # an interrupt at the keyboard goes to the page, which ends this
        ) as process:
            self._process = process
            if self._closing.is_set():  # it was closed while this one was on its way
                process.terminate()
            assert process.stdout is not None
            for line in process.stdout:
                self.problem = line.strip() or None
        return process.returncode
