"""`rlhp pull`: a run that somebody has published becomes a run directory here."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rlhp.hub import remote
from rlhp.hub.folder import PATTERNS, listed
from rlhp.hub.trust import foreign
from rlhp.run import last_checkpoint, read_settings
from rlhp.types import UserError

Download = Callable[[str, Path, Sequence[str]], None]  # a repository, into a folder, of its files those of these patterns


def pull(source: str, out: Path, trusted: bool = False, download: Download = remote.download) -> str:
    """Make a run directory of a published run: of a folder on this machine, or of a repository of the hub; a sentence on it.

    Only files that such a run holds are taken, and none is unpickled. Settings name the classes that a run is made of, and
    whoever writes them could name any function of any package: what rlhp's own configuration does not name is refused, unless
    the source is `trusted`. Raises UserError then, where the source holds no run, where its checkpoint is damaged, where `out`
    holds something already, and where the hub cannot be reached or refuses.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already; name a folder that is not.")
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
    for path in listed(source):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


def _check(run: Path, source: str, trusted: bool) -> None:
    """Raises UserError unless this is an intact run that names no code but ours."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{source} holds no run; name what rlhp push has written, a folder or a repository of the hub.")
    named = foreign(read_settings(run))
    if named and not trusted:
        raise UserError(
            f"the settings in {source} name code that is not rlhp's ({', '.join(named)}), which would be run; read its "
            "config.yaml, and pull it with --trust if you trust it."
        )
    last_checkpoint(run)
