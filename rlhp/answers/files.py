"""`rlhp export` and `rlhp import`: write a run's answers to a file, and read answers from one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from rlhp.answers import jsonl, pairs, parquet
from rlhp.answers.preferences import is_ours, numbered
from rlhp.atomic import replacing
from rlhp.run import is_running
from rlhp.store import Source, Store, import_answers
from rlhp.types import Answer, UserError

STORE = "preferences.sqlite"
CHUNK = 256  # questions written at a time
SOMEBODY = "somebody"  # the annotator of answers in files that name none
KINDS: dict[str, Callable[[Path, Path, bool], int]] = {".jsonl": jsonl.write, ".parquet": parquet.write}


def export_labels(run: Path, out: Path, kind: str | None = None, flagged: bool = False) -> str:
    """Write a run's answers to `out`, completely or not at all, and return a sentence on it. The run may be in training.

    `kind`: `.jsonl` for every answer, readable by `import_labels`; `.parquet` for clips with a label or a rating; None: the
    suffix of `out`. `flagged`: include answers that their annotators have flagged as mistakes.
    Raises UserError if there is no store, nothing to write, or `out` cannot be written.
    """
    write = KINDS.get(kind or out.suffix)
    if write is None:
        raise UserError(f"{out} is neither a .jsonl nor a .parquet file: name one, or give --parquet.")
    with _replacing(out) as part:
        count = write(run / STORE, part, flagged)
    return f"{count:,} {'rows' if write is parquet.write else 'answers'} of {run} are in {out}"


def import_file(
    run: Path, file: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> str:
    """Import an export of `rlhp export` into a run, or any other file of comparisons into a new folder; return a sentence on it.

    Raises UserError as `import_labels` and `import_pairs` do, and for comparisons that the run never asked for.
    """
    exists = (run / STORE).is_file()
    ours = file.suffix == ".jsonl" and (exists or is_ours(file) or not file.is_file())
    if not ours and exists:
        raise UserError(
            f"{run} already holds questions, and {file} contains its own clips; import it into a new folder, which rlhp fit "
            "can learn from."
        )
    if ours and not (columns or one or minus_one):
        return import_labels(run, file)
    return import_pairs(run, file, columns, one, minus_one)


def import_pairs(
    folder: Path, file: Path, columns: Mapping[str, str] | None = None, one: str | None = None, minus_one: str | None = None
) -> str:
    """Create a folder with a store of a file's comparisons (see `pairs.read` for formats), and return a sentence on it.

    Raises UserError, and creates nothing, if the folder exists and is not empty, or a row cannot be read.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already and holds no store: name a folder that does not exist.")
    layout, read = pairs.read(file, columns, one, minus_one)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent.resolve()) as temporary:
        path = Path(temporary) / folder.name
        path.mkdir()
        with closing(Store(path / STORE)) as store:
            count = _put_pairs(store, read)
            store.sync()
        path.replace(folder)
    return f"{count:,} answers of {file} ({layout.words()}) are in {folder}"


def _put_pairs(store: Store, read: Iterable[pairs.Pair]) -> int:
    """Store each pair of clips as one question with all its answers, and return the number of answers.

    Further answers of one annotator to the same pair are stored under numbered names.
    """
    asked: dict[int, tuple[str, ...]] = {}
    times: Counter[tuple[int, str]] = Counter()
    count, answered = 0, numbered(read)
    while chunk := list(islice(answered, CHUNK)):
        new = {query.id: (query, tuple(names)) for query, names, *_ in reversed(chunk) if query.id not in asked}
        store.ask([new[id][0].clips for id in sorted(new)], 0)
        asked |= {id: names for id, (_, names) in new.items()}
        given: dict[str, dict[int, Answer | Sequence[Answer]]] = {}
        for query, names, answer, who in chunk:
            name = who or SOMEBODY
            times[query.id, name] += 1
            number = times[query.id, name]
            swapped = tuple(names) != asked[query.id]
            ranks = answer.ranks[::-1] if swapped and answer.ranks is not None else answer.ranks
            given.setdefault(name if number == 1 else f"{name}-{number}", {})[query.id] = Answer(ranks)
        for name, answers in given.items():
            store.answer(answers, name, Source.IMPORT)
        count += len(chunk)
    return count


def import_labels(run: Path, file: Path) -> str:
    """Add the answers of a .jsonl file to a run whose store holds the same questions, and return a sentence on it.

    Importing a file again changes nothing. Raises UserError, and writes nothing, if a line is not an answer, a question differs
    or has a different answer, or the run is in training, which would not learn from answers that count as taken already.
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
def _replacing(out: Path) -> Generator[Path]:
    """`replacing`, with a sentence for users where `out` cannot be written."""
    try:
        with replacing(out) as draft:
            yield draft
    except FileNotFoundError as error:
        raise UserError(f"{out} cannot be written: there is no folder {out.parent}.") from error
    except (PermissionError, IsADirectoryError) as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): name another file.") from error
