"""`rlhp pull`: make a run directory of a published run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rlhp import __version__, analysis
from rlhp.hub import remote
from rlhp.hub.code_check import unknown_code
from rlhp.hub.folder import PATTERNS, published_files
from rlhp.run import last_checkpoint_step, read_settings, version_of
from rlhp.run.checkpoint import Damaged, read
from rlhp.types import UserError

NEEDED = ("env", "n_envs", "reward_model")  # settings of a run with a policy, besides those that name it
Download = Callable[[str, Path, Sequence[str]], None]  # a repository, into a folder, of its files those of these patterns


def pull(source: str, out: Path, trusted: bool = False, download: Download = remote.download) -> str:
    """Copy a published run, from a local folder or a repository of the hub, to the new folder `out`; a sentence on it.

    Only files that belong to a published run are copied, and none is unpickled. The settings of a run name the functions that
    build it, so a hostile config.yaml could call any function of any package. Names that rlhp's own configuration does not
    contain are therefore refused, unless the source is `trusted`. Raises UserError in that case, where the source holds no run,
    where a file is missing or damaged, where `out` exists and is not empty, and where the download fails.
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
    """Raises UserError unless this copy of `source` is an intact run that calls no unknown code."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{source} holds no run; name a folder that rlhp push has written, or a repository of the hub.")
    with _naming(source, run):
        _check_intact(run)
    named = unknown_code(read_settings(run))
    if named and not trusted:
        raise UserError(
            f"config.yaml in {source}, written by rlhp {version_of(run)}, would run code that is not part of rlhp {__version__} "
            f"({', '.join(named)}); read it, and add --trust if you trust its author."
        )


@contextmanager
def _naming(source: str, copy: Path) -> Iterator[None]:
    """Name the source instead of its copy, a temporary folder, in errors."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(str(copy), source)) from error


def _check_intact(run: Path) -> None:
    """Raises UserError if settings, numbers or checkpoint are missing or damaged, or of a version that this one cannot read."""
    analysis.load(run)
    settings = read_settings(run)
    if missing := [key for key in NEEDED if "agent" in settings and key not in settings]:
        raise UserError(f"{run / 'config.yaml'} has no key {missing[0]!r}, so rlhp {__version__} cannot build its policy.")
    step = last_checkpoint_step(run)
    if not step:
        raise UserError(f"{run} holds no checkpoint; copy or download it again, or ask its author to push it again.")
    try:
        read(run / "checkpoints", step)
    except Damaged as error:
        raise UserError(
            f"{run} is damaged ({error.__cause__}); copy or download it again, or ask its author to push it again."
        ) from error
    except UserError as error:
        raise UserError(
            f"{run} was written by rlhp {version_of(run)}, whose checkpoints {__version__} cannot read; install that version."
        ) from error
