"""What the sweeps launched in a folder are going to run, so that jobs that never began can be told."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlhp.types import UserError

SWEEPS = "sweeps.json"


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep: its jobs by their folders below the sweep's, or, where these are not known beforehand, their number alone."""

    jobs: tuple[str, ...] = ()
    trials: int = 0  # jobs whose folders are not known: those of a search
    keys: tuple[str, ...] = ()  # what the names of these folders give values to; empty: anything
    ended: bool = False  # a search may try the same settings twice, so that it has fewer folders than trials

    def waiting(self, begun: Collection[str]) -> int:
        """How many trials have not begun, given the names of the folders in which a run has."""
        return 0 if self.ended else max(self.trials - sum(self._tried(name) for name in begun), 0)

    def _tried(self, name: str) -> bool:
        return not self.keys or {part.partition("=")[0] for part in name.split(",") if "=" in part} == {*self.keys}


def record(folder: Path, command: str, sweep: Sweep) -> None:
    """Write down a sweep under the overrides that launched it; the same command once more replaces it.

    Jobs that start at the same time may write at the same time: what one of them loses, the next one writes again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = sweeps(folder)
    if known.get(command) == sweep:
        return
    everything = {name: asdict(other) for name, other in {**known, command: sweep}.items()}
    draft = folder / f".{SWEEPS}.{os.getpid()}"
    draft.write_text(json.dumps(everything, indent=1) + "\n")
    draft.replace(folder / SWEEPS)


def sweeps(folder: Path) -> dict[str, Sweep]:
    """The sweeps launched in this folder, by their overrides. Raises UserError where the record is damaged."""
    path = folder / SWEEPS
    try:
        known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
        return {name: Sweep(tuple(s["jobs"]), s["trials"], tuple(s["keys"]), s["ended"]) for name, s in known.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged: remove it; the next sweep in this folder writes it anew.") from error
