"""`rlhp export` and `rlhp import`: from a run to a file, and back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rlhp.answers import jsonl, pairs, parquet
from rlhp.answers.preferences import is_ours, numbered
from rlhp.run import is_running
from rlhp.store import Source, Store, import_answers
from rlhp.types import Answer, UserError

STORE = "preferences.sqlite"
CHUNK = 256  # questions that are written at a time
SOMEBODY = "somebody"  # who answered, where a file does not say
KINDS: dict[str, Callable[[Path, Path, bool], int]] = {".jsonl": jsonl.write, ".parquet": parquet.write}


def export_labels(run: Path, out: Path, kind: str | None = None, flagged: bool = False) -> str:
    """Write a run's answers to `out`, complete or not at all; a sentence on it. The run may be in training.

    `kind`: `.jsonl`, every answer, which `import_labels` reads; `.parquet`, clips with a label or a rating; None: by `out`.
    `flagged`: with the answers that their annotators have taken back.
    Raises UserError where there is no store, nothing to write, or `out` cannot be written.
    """
    write = KINDS.get(kind or out.suffix)
    if write is None:
        raise UserError(f"{out} is neither a .jsonl nor a .parquet file: name one, or give --parquet.")
    with _complete(out) as part:
        count = write(run / STORE, part, flagged)
    return f"{count:,} {'rows' if write is parquet.write else 'answers'} of {run} are in {out}"


def import_file(
    run: Path, file: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> str:
    """Import answers of ours into a run, or a file of anybody's comparisons into a new folder; a sentence on it.

    Raises UserError as `import_labels` and `import_pairs` do, and where a run is to take comparisons in that it never asked.
    """
    there = (run / STORE).is_file()
    ours = file.suffix == ".jsonl" and (there or is_ours(file) or not file.is_file())
    if not ours and there:
        raise UserError(
            f"{run} holds questions already, and {file} brings clips of its own along; import it into a new folder, from which "
            "rlhp fit learns."
        )
    if ours and not (columns or one or minus_one):
        return import_labels(run, file)
    return import_pairs(run, file, columns, one, minus_one)


def import_pairs(
    folder: Path, file: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> str:
    """Make a new folder with a store of a file's comparisons (`pairs.read` says which files); a sentence on it.

    Raises UserError, and makes none, where the folder is there and not empty, or a row cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already and holds no store: name a folder that is not there.")
    layout, read = pairs.read(file, columns, one, minus_one)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent.resolve()) as draft:
        path = Path(draft) / folder.name
        path.mkdir()
        with closing(Store(path / STORE)) as store:
            count = _put_pairs(store, read)
            store.sync()
        path.replace(folder)
    return f"{count:,} answers of {file} ({layout.words()}) are in {folder}"


def _put_pairs(store: Store, read: Iterable[pairs.Pair]) -> int:
    """Ask each pair of clips once, and write what each annotator said of it; the number of answers.

    What one of them says of a pair more than once is kept under numbered names.
    """
    asked: dict[int, tuple[str, ...]] = {}
    times: Counter[tuple[int, str]] = Counter()
    count, answered = 0, numbered(read)
    while chunk := list(islice(answered, CHUNK)):
        new = {query.id: (query, tuple(names)) for query, names, *_ in reversed(chunk) if query.id not in asked}
        store.ask([new[id][0].clips for id in sorted(new)], 0)
        asked |= {id: names for id, (_, names) in new.items()}
        said: dict[str, dict[int, Answer | Sequence[Answer]]] = {}
        for query, names, answer, who in chunk:
            name = who or SOMEBODY
            times[query.id, name] += 1
            number = times[query.id, name]
            turned = tuple(names) != asked[query.id]
            ranks = answer.ranks[::-1] if turned and answer.ranks is not None else answer.ranks
            said.setdefault(name if number == 1 else f"{name}-{number}", {})[query.id] = Answer(ranks)
        for name, answers in said.items():
            store.answer(answers, name, Source.IMPORT)
        count += len(chunk)
    return count


def import_labels(run: Path, file: Path) -> str:
    """Put the answers of a .jsonl file into a run whose store holds the same questions; a sentence on it.

    Twice is once. Raises UserError, and writes nothing, where a line is no answer, a question is another one or was answered
    otherwise, or the run is in training, which would not learn from what it has "taken" already.
    """
    if not (run / STORE).is_file():
        raise UserError(f"There is no preference store in {run}: import into a run directory that holds the same questions.")
    given = jsonl.read(file)
    if is_running(run):
        raise UserError(f"{run} is being trained: stop that training, import, and run its command again.")
    store = Store(run / STORE)
    try:
        new = import_answers(store.database, given)
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
