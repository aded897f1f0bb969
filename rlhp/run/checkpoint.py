"""Checkpoints, which are complete or absent, and are loaded without pickle."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rlhp.atomic import replacing
from rlhp.types import Array, UserError

State = dict[str, Array]
DONE, KEPT = "done", "kept"
FORMAT = 3  # version of the snapshots; checkpoints of other versions cannot be restored


def write(folder: Path, step: int, parts: Mapping[str, State], keep: int = 2) -> Path:
    """Write `folder/<step>/<part>.safetensors`, then a marker that it is complete; delete all but the `keep` newest.

    Checkpoints marked as kept stay as well. The marker holds the format and the digest of each file. A checkpoint exists only
    once its marker does, also after a kill or a power failure.
    """
    target = folder / str(step)
    _write(target, parts, {})
    sync(folder)
    for old in complete(folder)[:-keep]:
        if not (folder / str(old) / KEPT).exists():
            shutil.rmtree(folder / str(old))
    return target


def write_published(folder: Path, step: int, parts: Mapping[str, State]) -> Path:
    """Write a checkpoint of some parts for a published run; training cannot continue from it, and `trainable` returns False."""
    target = folder / str(step)
    _write(target, parts, {"trainable": False})
    return target


def _write(target: Path, parts: Mapping[str, State], facts: Mapping[str, bool]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, state in parts.items():
        file = target / f"{name}.safetensors"
        file.touch()
        mode = file.stat().st_mode  # follows the umask; safetensors would let nobody else read the file
        save_file({k: np.array(v, order="C") for k, v in state.items()}, file)
        file.chmod(mode)
        sync(file)
    digests = {name: _digest(target / f"{name}.safetensors") for name in parts}
    write_whole(target / DONE, json.dumps({"format": FORMAT, "digests": digests, **facts}))


def trainable(folder: Path, step: int) -> bool:
    """Whether training can continue from a complete checkpoint."""
    try:
        return bool(json.loads((folder / str(step) / DONE).read_text()).get("trainable", True))
    except (ValueError, AttributeError, OSError):
        return True  # `read` reports the damage


def mark_kept(folder: Path, step: int) -> None:
    """Keep a complete checkpoint permanently."""
    write_whole(folder / str(step) / KEPT, "")


def complete(folder: Path) -> list[int]:
    """The steps of all complete checkpoints, ascending."""
    return sorted(int(done.parent.name) for done in folder.glob(f"*/{DONE}") if done.parent.name.isdigit())


def newest(folder: Path) -> tuple[int, dict[str, State]]:
    """The step and the parts of the newest intact checkpoint; (0, no parts) if there is no checkpoint.

    Damaged checkpoints are skipped with a message on stderr. Raises UserError if all are damaged, or if the newest intact one has
    the format of another version.
    """
    damage = None
    for step in reversed(complete(folder)):
        if damage is not None:
            print(f"{damage}; using the previous one.", file=sys.stderr)
        try:
            return step, read(folder, step)
        except Damaged as error:
            damage = error
    if damage is not None:
        raise UserError(f"{damage}, and there is no earlier one: restore {folder} from a copy, or start a new run with name=...")
    return 0, {}


class Damaged(UserError):
    """A checkpoint whose files have been changed or removed."""


def read(folder: Path, step: int) -> dict[str, State]:
    """The parts of a complete checkpoint.

    Raises Damaged if a file was changed or removed, UserError if the format is that of another version.
    """
    source = folder / str(step)
    try:
        marker = json.loads((source / DONE).read_text())
        digests = marker.get("digests", {})
        for name, digest in digests.items():
            if _digest(source / f"{name}.safetensors") != digest:
                raise ValueError(f"{name}.safetensors does not match its digest")
        parts = {name: load_file(source / f"{name}.safetensors") for name in digests}
    except (ValueError, AttributeError, OSError, SafetensorError) as error:
        raise Damaged(f"the checkpoint {source} is damaged ({error})") from error
    if marker.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint {source} was written by another version of rlhp: continue with that version, or start a new run "
            "with name=..."
        )
    return parts


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Write a file atomically: it has all of its text or does not exist, also after a power failure."""
    with replacing(path) as draft:
        draft.write_text(text)
        sync(draft)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk. A missing file is ignored."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
