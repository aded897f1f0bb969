"""`rlhp pull`: make a run directory of a published run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rlhp.hub import remote
from rlhp.hub.code_check import unknown_code
from rlhp.hub.folder import PATTERNS, published_files
from rlhp.run import last_checkpoint, read_settings
from rlhp.types import UserError

Download = Callable[[str, Path, Sequence[str]], None]  # a repository, into a folder, of its files those of these patterns


def pull(source: str, out: Path, trusted: bool = False, download: Download = remote.download) -> str:
    """Copy a published run, from a local folder or a repository of the hub, to the new folder `out`; a sentence on it.

    Only files that belong to a published run are copied, and none is unpickled. The settings of a run name the functions that
    build it, so a hostile config.yaml could call any function of any package. Names that rlhp's own configuration does not
    contain are therefore refused, unless the source is `trusted`. Raises UserError in that case, where the source holds no run,
    where its checkpoint is damaged, where `out` exists and is not empty, and where the download fails.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already; name a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
        found = Path(source)
        if not found.is_dir():
            found = Path(place) / "downloaded"
            download(source, found, PATTERNS)
        draft = Path(place) / out.name
        _take(found, draft)
        _check(draft, source, trusted)
        draft.replace(out)  # complete or absent
    settings = read_settings(out)
    held = "a policy and its reward model" if "agent" in settings else "a reward model"
    return f"{out}: {held}, of {settings.get('task', 'comparisons')}, seed {settings['seed']}"


def _take(source: Path, target: Path) -> None:
    for path in published_files(source):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


def _check(run: Path, source: str, trusted: bool) -> None:
    """Raises UserError unless this is an intact run that calls no unknown code."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{source} holds no run; name a folder that rlhp push has written, or a repository of the hub.")
    named = unknown_code(read_settings(run))
    if named and not trusted:
        raise UserError(
            f"config.yaml in {source} would run code that is not part of rlhp ({', '.join(named)}); read it, and add --trust if "
            "you trust its author."
        )
    last_checkpoint(run)
