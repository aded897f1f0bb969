"""Checkpoints: complete or absent, and read without unpickling anything."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from rlhp.types import Array, UserError

State = dict[str, Array]
DONE = "done"
FORMAT = 3  # of what the parts save of themselves; another one cannot be taken up


def write(folder: Path, step: int, parts: Mapping[str, State], keep: int = 2) -> Path:
    """Write `folder/<step>/<part>.safetensors`, then the mark that says it is complete; the `keep` newest stay.

    The mark holds the format and each file's digest. Until it is there, and after a kill in the middle, the checkpoint does
    not exist.
    """
    target = folder / str(step)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name, state in parts.items():
        save_file({k: np.array(v, order="C") for k, v in state.items()}, target / f"{name}.safetensors")
    digests = {name: _digest(target / f"{name}.safetensors") for name in parts}
    write_whole(target / DONE, json.dumps({"format": FORMAT, "digests": digests}))
    for old in complete(folder)[:-keep]:
        shutil.rmtree(folder / str(old))
    return target


def complete(folder: Path) -> list[int]:
    """The steps of all complete checkpoints, ascending."""
    return sorted(int(done.parent.name) for done in folder.glob(f"*/{DONE}") if done.parent.name.isdigit())


def read(folder: Path, step: int) -> dict[str, State]:
    """The parts of a complete checkpoint. Raises UserError if a file is damaged or gone, or of another version's format."""
    source = folder / str(step)
    try:
        mark = json.loads((source / DONE).read_text())
        digests = mark.get("digests", {})
        for name, digest in digests.items():
            if _digest(source / f"{name}.safetensors") != digest:
                raise ValueError(name)
        parts = {name: load_file(source / f"{name}.safetensors") for name in digests}
    except (ValueError, OSError, SafetensorError) as error:
        raise UserError(
            f"the checkpoint {source} is damaged ({error}); delete that folder, and the same command goes on from the one before."
        ) from error
    if mark.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint {source} was written by another version of rlhp: go on with that one, or begin anew with name=..."
        )
    return parts


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, text: str) -> None:
    """A file that is there with all of its text or not at all, also after a power cut."""
    draft = path.with_suffix(".draft")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
