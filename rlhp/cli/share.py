"""Commands that publish runs and get published ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from rlhp.cli.common import Add, check_opengl, say
from rlhp.types import UserError


def add_commands(add: Add) -> None:
    """Add the commands."""
    _push_options(add("push", help="publish a run with a model card: on the Hugging Face hub, or as a folder"))
    _pull_options(add("pull", help="get a run that was published, to evaluate it, film it or train on its reward"))


def _push_options(push: argparse.ArgumentParser) -> None:
    push.description = (
        "Publish the policy and the reward model of a run's newest checkpoint with its settings, numbers, pictures and film, and "
        "a model card. Settings of its page and tracker, keys, absolute paths and, unless asked for, answers are left out."
    )
    push.add_argument("path", type=Path, metavar="RUN", help="a run directory of rlhp train or rlhp fit")
    push.add_argument("repo", nargs="?", metavar="REPO", help="a repository of the hub, as ada/hopper; log in with hf auth login")
    push.add_argument(
        "--to", type=Path, metavar="FOLDER", help="write what would be uploaded into a new folder, in place of REPO"
    )
    push.add_argument("--answers", action="store_true", help="with questions, clips and answers, and who gave them")
    push.add_argument("--episodes", type=int, default=0, metavar="N", help="evaluate N new ones for the card (default: none)")
    push.add_argument("--license", default="mit", metavar="ID", help="as the hub calls it (default: %(default)s)")
    push.add_argument("--private", action="store_true", help="make a repository that only its owner sees")
    push.set_defaults(run=_push)


def _pull_options(pull: argparse.ArgumentParser) -> None:
    pull.add_argument("source", metavar="REPO", help="a repository of the hub, or a folder that rlhp push has written")
    pull.add_argument("out", type=Path, metavar="FOLDER", help="the new run directory, such as runs/pulled")
    pull.add_argument("--trust", action="store_true", help="also where its settings name code that is not rlhp's")
    pull.set_defaults(run=_pull)


def _push(options: argparse.Namespace) -> int:
    if (options.repo is None) == (options.to is None):
        raise UserError("name one place: a repository such as ada/hopper, or a folder with --to.")
    check_opengl()
    from rlhp import hub

    given = hub.PushOptions(options.answers, options.episodes, options.license)
    if options.to is not None:
        say(hub.push_to(options.path, options.to, given))
    else:
        say(hub.push(options.path, options.repo, given, options.private))
    return 0


def _pull(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import hub

    say(hub.pull(options.source, options.out, options.trust))
    return 0
