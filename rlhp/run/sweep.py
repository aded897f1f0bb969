"""Records the sweeps launched in a folder and names the folders of their jobs, so that `rlhp status` counts pending jobs."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rlhp.atomic import replacing
from rlhp.types import UserError

SWEEPS = "sweeps.json"
MAX_LENGTH = 240  # characters of a folder's name without its digest; file systems allow 255
BETWEEN = "__"  # separates the settings in a folder's name


@dataclass(frozen=True, slots=True)
class Sweep:
    """One sweep: the folders of its jobs, or only the number of its trials if the folders are not known in advance."""

    jobs: tuple[str, ...] = ()
    trials: int = 0  # number of jobs of a search, whose folders are unknown
    keys: tuple[str, ...] = ()  # the settings that name the folders of these jobs; empty if unknown
    ended: bool = False  # a finished search may have fewer folders than trials, because it can try the same settings twice

    def waiting(self, begun: Collection[str]) -> int:
        """The number of trials that have not started, given the names of the folders in which a run has started."""
        return 0 if self.ended else max(self.trials - sum(self._is_trial(name) for name in begun), 0)

    def _is_trial(self, name: str) -> bool:
        return not self.keys or names_settings(name, self.keys)


def folder_name(settings: Iterable[tuple[str, str]]) -> str:
    """The name of a job's folder for its settings, (key, value) pairs in any order, such as env-hopper__seed-1.

    It has only letters, digits and `._+-`. If that, or the length limit, drops something, a digest keeps names unique.
    """
    pairs = sorted({*settings})
    whole = BETWEEN.join(f"{key.replace('/', '+')}-{value}" for key, value in pairs)
    short = _safe(whole)[:MAX_LENGTH]
    is_unique = short == whole and not any("-" in key or "+" in key or BETWEEN in key + value for key, value in pairs)
    digest = "" if is_unique else "-" + hashlib.sha256(repr(pairs).encode()).hexdigest()[:10]
    return short + digest or "run"


def names_settings(folder: str, keys: Collection[str]) -> bool:
    """Whether a folder is named by values of exactly these settings, by `folder_name` or as in env=hopper,seed=1.

    Earlier versions named folders in the second way. For a truncated name, only complete settings are compared. False for a value
    that contains `__`.
    """
    if "=" in folder:
        return {_key(part) for part in folder.split(",") if "=" in part} == {*map(_key, keys)}
    parts, starts = folder.split(BETWEEN), [_safe(key.replace("/", "+")) + "-" for key in sorted(keys)]
    if len(folder) > MAX_LENGTH:
        parts = parts[:-1]
        starts = starts[: len(parts)]
    return len(parts) == len(starts) and all(part.startswith(start) for part, start in zip(parts, starts, strict=True))


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text)


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+")


def record(folder: Path, command: str, sweep: Sweep) -> None:
    """Record a sweep under the overrides that launched it; repeating the command replaces the record.

    Jobs that start at the same time may write at the same time: an entry lost by one of them is written again by the next.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = sweeps(folder)
    if known.get(command) == sweep:
        return
    everything = {name: asdict(other) for name, other in {**known, command: sweep}.items()}
    with replacing(folder / SWEEPS) as draft:
        draft.write_text(json.dumps(everything, indent=1) + "\n")


def sweeps(folder: Path) -> dict[str, Sweep]:
    """The sweeps launched in this folder, by their overrides. Raises UserError if the record is damaged."""
    path = folder / SWEEPS
    try:
        known: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
        return {name: Sweep(tuple(s["jobs"]), s["trials"], tuple(s["keys"]), s["ended"]) for name, s in known.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged: remove it; the next sweep in this folder writes it again.") from error
