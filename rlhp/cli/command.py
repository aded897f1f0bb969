"""The `rlhp` command. What a user did wrong gets one sentence and exit status 2; what we did wrong gets a traceback."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from rlhp import __version__, completion, renamed
from rlhp.cli import answers, machine, runs, settings, share
from rlhp.errors import sentence
from rlhp.types import UserError, escaped

EPILOG = """\
examples:
  rlhp demo                                     a robot learns to run in a few minutes
  rlhp train env=hopper                         train (rlhp train --help lists all there is to choose from)
  rlhp train teacher=human                      train from your own preferences, given at a page
  rlhp extend runs/main/RUN total_steps=2e6     go on with a run that is finished
  rlhp annotate runs/main/RUN                   that page, for any run
  rlhp play env=pong -o demonstrations/me       act yourself, and keep it as demonstrations
  rlhp answers runs/main/RUN                    who answered what, how fast, and how far people agree
  rlhp export runs/main/RUN answers.jsonl       the answers as a file (rlhp import brings them back)
  rlhp fit comparisons.npz                      a reward model from comparisons that are there already
  rlhp plot runs/main -o curves.png             learning curves of every run below runs/main, and their CSV
  rlhp status runs/first_light                  how far a sweep has come, and how long it will take
  rlhp evaluate runs/main/RUN --episodes 20     its true return
  rlhp rate runs/main/RUN                       Elo ratings of its policy over time, from the answers it was given
  rlhp film runs/main/RUN -o policy.mp4         what it looks like
  rlhp inspect runs/main/RUN                    what its learned reward is worth, as a report
  rlhp push runs/main/RUN ada/hopper            publish it on the Hugging Face hub (rlhp pull gets it)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status.

    0; 1: doctor found something missing, or inspect a fault; 2: the user can mend it; 130: stopped; 141: nobody reads what it
    prints.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _dispatch(arguments)
        finally:
            _flush()  # here, where a reader that has gone can still be dealt with
    except KeyboardInterrupt:
        print("\nrlhp: stopped; a training goes on from its last checkpoint when the same command is run again", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _unread():
            return 141  # as the shell reports a program that SIGPIPE has ended
        told = sentence(error)
        if told is None:
            raise
        print(f"rlhp: {escaped(' '.join(told.splitlines()))}", file=sys.stderr)
        return 2


def _flush() -> None:
    if sys.stdout is not None:  # closed by whoever started us
        sys.stdout.flush()


def _unread() -> bool:
    """Whether whoever read our output has gone; nothing goes there any more then, or Python would complain on leaving."""
    watch, closed = select.poll(), False
    for stream in (1, 2):
        watch.register(stream, 0)
    for stream, _ in watch.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        closed = True
    return closed


def _dispatch(arguments: list[str]) -> int:
    root = parser()
    if not arguments:
        root.print_help()
        return 2
    first, rest = renamed.COMMANDS.get(arguments[0], arguments[0]), arguments[1:]
    if first != arguments[0]:
        print(f"rlhp: {renamed.sentence(f'rlhp {arguments[0]}', f'rlhp {first}')}", file=sys.stderr)
    if first in settings.HYDRA:
        return settings.HYDRA[first](rest)
    if not first.startswith("-") and first not in (known := [*completion.commands(root)]):
        raise UserError(_unknown(first, known))
    options = root.parse_args([first, *rest])
    return options.run(options)


def _unknown(word: str, commands: Sequence[str]) -> str:
    if "=" in word:
        return f"settings come after a command: rlhp train {word}"
    near = get_close_matches(word, commands, n=1, cutoff=0.0)[0]
    return f"there is no command {word!r}: did you mean {near!r}? The commands are {', '.join(commands)}"


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    raw = argparse.RawDescriptionHelpFormatter
    root = argparse.ArgumentParser("rlhp", description="Deep RL from human preferences.", epilog=EPILOG, formatter_class=raw)
    root.add_argument("--version", action="version", version=f"rlhp {__version__}")
    add = root.add_subparsers(title="commands", metavar="COMMAND", required=True).add_parser
    settings.add_commands(add)
    runs.add_commands(add)
    answers.add_commands(add)
    share.add_commands(add)
    machine.add_commands(add, root)
    return root
