"""`rlhp push`: a run becomes a folder with a model card, which may be uploaded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhp import evaluate, report, train
from rlhp.agent import algorithm, save_stock, stands_alone
from rlhp.hub import remote
from rlhp.hub.card import Card, Evaluated
from rlhp.hub.folder import CARD, FILM, listed, write_answers, write_folder
from rlhp.run import is_running, read_settings
from rlhp.types import UserError

SEED = 10_000  # of the starting states of the episodes for the card
Upload = Callable[[Path, str, bool], str]  # a folder, a repository, and whether it is private, to the repository's address


@dataclass(frozen=True, slots=True)
class Published:
    """What goes into the folder beside what the run has learned.

    `answers`: questions, clips and answers, with the names of those who gave them; `episodes`: on how many new ones the policy is
    measured for the card; `licence`: an identifier that the hub knows, such as mit.
    """

    answers: bool = False
    episodes: int = 0
    licence: str = "mit"


def push(run: Path, repo: str, what: Published, private: bool = False, upload: Upload = remote.upload) -> str:
    """Upload what is published of a run to a repository of the hub, which is made if it is not there; a sentence on it.

    Raises UserError as `push_to` does, and where the hub cannot be reached or refuses it.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        told = push_to(run, folder, what, source=repo)
        return f"{upload(folder, repo, private)}: {told.partition(': ')[2]}"


def push_to(run: Path, out: Path, what: Published, source: str | None = None) -> str:
    """Write what `push` uploads into a new folder; a sentence on it. `source`: where the card says that it can be pulled from.

    Raises UserError where there is no run with a checkpoint, where it is in training, and where `out` holds something already.
    """
    read_settings(run)
    if is_running(run):
        raise UserError(f"{run} is in training; wait for its end, or stop it first.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} is there already; name a folder that is not.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
        draft = Path(place) / out.name
        draft.mkdir()
        _write(run, draft, what, source or out.name)
        draft.replace(out)  # complete or absent
    return f"{out}: {_told(out, what)}"


def _write(run: Path, out: Path, what: Published, source: str) -> None:
    write_folder(run, out)
    if what.answers:
        write_answers(run, out)
    learned: dict[str, Any] = {}
    if "agent" in read_settings(run):
        trained = train.load(run)
        save_stock(trained.agent, out)
        learned |= {"algorithm": algorithm(trained.agent), "alone": stands_alone(trained.agent)}
        if what.episodes:
            learned["evaluated"] = _evaluated(trained, what.episodes)
    card = Card(run, out, source, what.licence, **learned)
    (out / CARD).write_text(card.text(), "utf-8")


def _evaluated(trained: train.Trained, episodes: int) -> Evaluated:
    env = trained.make_env(max(1, min(episodes, 10)), SEED)
    try:
        policy, how = report.acting(trained, env, SEED)
        return Evaluated(evaluate.returns(policy, env, episodes), how)
    finally:
        env.close()


def _told(out: Path, what: Published) -> str:
    """What is in it, and what is not though it might be."""
    size = sum((out / path).stat().st_size for path in listed(out)) / 1e6
    film = "" if (out / FILM).is_file() else "; without a film, which rlhp film makes in the run directory"
    answers = "answers and the names of those who gave them included" if what.answers else "without questions and answers"
    return f"{len(listed(out))} files, {size:.1f} MB, {answers}{film}"
