"""`rlhp push`: write a run as a folder with a model card, and upload it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlhp import evaluate, report, train
from rlhp.agent import algorithm_name, loads_without_rlhp, save_sb3
from rlhp.hub import remote
from rlhp.hub.card import Card, Evaluated
from rlhp.hub.folder import CARD, FILM, published_files, write_answers, write_folder
from rlhp.hub.licences import check_licence
from rlhp.run import is_running, read_settings
from rlhp.types import UserError

SEED = 10_000  # of the starting states of the episodes for the card
Upload = Callable[[Path, str, bool], str]  # a folder, a repository, and whether it is private, to the repository's address


@dataclass(frozen=True, slots=True)
class PushOptions:
    """What to publish besides the policy, the reward model and the numbers of a run.

    `answers`: queries, clips and answers, with the names of the annotators; `episodes`: how many new ones the policy is
    evaluated on for the card; `licence`: an identifier of `LICENCES`. Raises UserError for another one.
    """

    answers: bool = False
    episodes: int = 0
    licence: str = "mit"

    def __post_init__(self) -> None:
        check_licence(self.licence)


def push(run: Path, repo: str, options: PushOptions, private: bool = False, upload: Upload = remote.upload) -> str:
    """Upload a run to a repository of the hub, which is created if it does not exist; a sentence on what was uploaded.

    Raises UserError as `push_to` does, and where the upload fails.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        told = push_to(run, folder, options, source=repo)
        return f"{upload(folder, repo, private)}: {told.partition(': ')[2]}"


def push_to(run: Path, out: Path, options: PushOptions, source: str | None = None) -> str:
    """Write what `push` uploads into a new folder; a sentence on it. `source`: what the card tells readers to pull.

    Raises UserError where the run has no checkpoint or is in training, and where `out` exists and is not empty.
    """
    read_settings(run)
    if is_running(run):
        raise UserError(f"{run} is in training; wait until it ends, or stop it first.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists already; name a new folder.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as place:
        draft = Path(place) / out.name
        draft.mkdir()
        _write(run, draft, options, source or out.name)
        draft.replace(out)  # complete or absent
    return f"{out}: {_summary(out, options)}"


def _write(run: Path, out: Path, options: PushOptions, source: str) -> None:
    write_folder(run, out)
    if options.answers:
        write_answers(run, out)
    learned: dict[str, Any] = {}
    if "agent" in read_settings(run):
        trained = train.load(run)
        save_sb3(trained.agent, out)
        learned |= {"algorithm": algorithm_name(trained.agent), "alone": loads_without_rlhp(trained.agent)}
        if options.episodes:
            learned["evaluated"] = _evaluated(trained, options.episodes)
    card = Card(run, out, source, options.licence, **learned)
    (out / CARD).write_text(card.text(), "utf-8")


def _evaluated(trained: train.Trained, episodes: int) -> Evaluated:
    env = trained.make_env(max(1, min(episodes, 10)), SEED)
    try:
        policy, how = report.acting(trained, env, SEED)
        return Evaluated(evaluate.returns(policy, env, episodes), how)
    finally:
        env.close()


def _summary(out: Path, options: PushOptions) -> str:
    """What was written, and what was left out."""
    size = sum((out / path).stat().st_size for path in published_files(out)) / 1e6
    film = "" if (out / FILM).is_file() else "; no film: rlhp film RUN makes one that the next push includes"
    answers = "with answers and the names of the annotators" if options.answers else "without answers"
    return f"{len(published_files(out))} files, {size:.1f} MB, {answers}{film}"
