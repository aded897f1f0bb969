"""Checkpoints: complete or absent, and read without unpickling anything."""

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

from rlhp.types import Array, UserError

State = dict[str, Array]
DONE, KEPT = "done", "kept"
FORMAT = 3  # of what the parts save of themselves; another one cannot be taken up


def write(folder: Path, step: int, parts: Mapping[str, State], keep: int = 2) -> Path:
    """Write `folder/<step>/<part>.safetensors`, then the mark that says it is complete; the `keep` newest stay, and marked ones.

    The mark holds the format and each file's digest. Until it is there, and after a kill or a power cut in the middle, the
    checkpoint does not exist.
    """
    target = folder / str(step)
    _write(target, parts, {})
    sync(folder)
    for old in complete(folder)[:-keep]:
        if not (folder / str(old) / KEPT).exists():
            shutil.rmtree(folder / str(old))
    return target


def write_published(folder: Path, step: int, parts: Mapping[str, State]) -> Path:
    """Write a checkpoint of some parts, from which training cannot go on: `trainable` is False for it."""
    target = folder / str(step)
    _write(target, parts, {"trainable": False})
    return target


def _write(target: Path, parts: Mapping[str, State], facts: Mapping[str, bool]) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, state in parts.items():
        file = target / f"{name}.safetensors"
        save_file({k: np.array(v, order="C") for k, v in state.items()}, file)
        sync(file)
    digests = {name: _digest(target / f"{name}.safetensors") for name in parts}
    write_whole(target / DONE, json.dumps({"format": FORMAT, "digests": digests, **facts}))


def trainable(folder: Path, step: int) -> bool:
    """Whether training can go on from a complete checkpoint."""
    try:
        return bool(json.loads((folder / str(step) / DONE).read_text()).get("trainable", True))
    except (ValueError, AttributeError, OSError):
        return True  # `read` says what is wrong with it


def mark_kept(folder: Path, step: int) -> None:
    """Have a complete checkpoint stay, however many newer ones there are."""
    write_whole(folder / str(step) / KEPT, "")


def complete(folder: Path) -> list[int]:
    """The steps of all complete checkpoints, ascending."""
    return sorted(int(done.parent.name) for done in folder.glob(f"*/{DONE}") if done.parent.name.isdigit())


def newest(folder: Path) -> tuple[int, dict[str, State]]:
    """The step and the parts of the newest checkpoint that is intact; (0, no parts) where there is none at all.

    One that is damaged is passed over, which is said on standard error. Raises UserError if all of them are damaged, or if the
    newest that is intact is of another version's format.
    """
    damage = None
    for step in reversed(complete(folder)):
        try:
            return step, read(folder, step)
        except Damaged as error:
            damage = error
            print(f"{error}; the one before is used instead.", file=sys.stderr)
    if damage is not None:
        raise UserError(f"{damage}, and there is none before it: restore {folder} from a copy, or start again with name=...")
    return 0, {}


class Damaged(UserError):
    """A checkpoint whose files are not what was written."""


def read(folder: Path, step: int) -> dict[str, State]:
    """The parts of a complete checkpoint.

    Raises Damaged if a file is damaged or gone, UserError if it is of another version's format.
    """
    source = folder / str(step)
    try:
        mark = json.loads((source / DONE).read_text())
        digests = mark.get("digests", {})
        for name, digest in digests.items():
            if _digest(source / f"{name}.safetensors") != digest:
                raise ValueError(f"{name}.safetensors is not what was written")
        parts = {name: load_file(source / f"{name}.safetensors") for name in digests}
    except (ValueError, AttributeError, OSError, SafetensorError) as error:
        raise Damaged(f"the checkpoint {source} is damaged ({error})") from error
    if mark.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint {source} was written by another version of rlhp: go on with that one, or start again with name=..."
        )
    return parts


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """A file that is there with all of its text or not at all, also after a power cut."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    sync(draft)
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a folder's list of names, on the disk when this returns. A file that is not there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
