"""`rlhp export` and `rlhp import`: from a run to a file, and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from rlhp.labels import jsonl, parquet
from rlhp.run import under_way
from rlhp.store import Store, put
from rlhp.types import UserError

STORE = "preferences.sqlite"
KINDS: dict[str, Callable[[Path, Path], int]] = {".jsonl": jsonl.write, ".parquet": parquet.write}


def export_labels(run: Path, out: Path, kind: str | None = None) -> str:
    """Write a run's answers to `out`, complete or not at all; a sentence on it. The run may be in training.

    `kind`: `.jsonl`, every answer, which `import_labels` reads; `.parquet`, pairs of clips with a label; None: by `out`.
    Raises UserError where there is no store, nothing to write, or `out` cannot be written.
    """
    write = KINDS.get(kind or out.suffix)
    if write is None:
        raise UserError(f"{out} is neither a .jsonl nor a .parquet file: name one, or give --parquet.")
    with _complete(out) as part:
        count = write(run / STORE, part)
    return f"{count:,} {'pairs' if write is parquet.write else 'answers'} of {run} are in {out}"


def import_labels(run: Path, file: Path) -> str:
    """Put the answers of a .jsonl file into a run whose store holds the same questions; a sentence on it.

    Twice is once. Raises UserError, and writes nothing, where a line is no answer, a question is another one or was answered
    otherwise, or the run is in training, which would not learn from what it has "taken" already.
    """
    if not (run / STORE).is_file():
        raise UserError(f"There is no preference store in {run}: import into a run directory that holds the same questions.")
    given = jsonl.read(file)
    if under_way(run):
        raise UserError(f"{run} is being trained: stop that training, import, and run its command again.")
    store = Store(run / STORE)
    try:
        new = put(store.database, given)
    finally:
        store.close()
    return f"{len(given):,} answers of {file} are in {run}, {new:,} of them new"


@contextmanager
def _complete(out: Path) -> Generator[Path]:
    """A file beside `out` that takes its place when all is written."""
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, out)
    except FileNotFoundError as error:
        raise UserError(f"{out} cannot be written: there is no folder {out.parent}.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): name another file.") from error
    finally:
        part.unlink(missing_ok=True)
