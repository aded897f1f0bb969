"""The `rlhp` command. A user's mistake gets one sentence and exit status 2; a bug gets a traceback."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Sequence
from difflib import get_close_matches

from rlhp import __version__, completion, renamed
from rlhp.cli import answers, machine, runs, settings, share
from rlhp.cli.common import unknown_words
from rlhp.errors import sentence
from rlhp.types import UserError, escaped

EPILOG = """\
examples:
  rlhp demo                                     a robot learns to run in a few minutes
  rlhp train env=hopper                         train (rlhp train --help lists all choices)
  rlhp train teacher=human                      train from your own preferences, given on a web page
  rlhp extend runs/main/RUN total_steps=2e6     continue a finished run
  rlhp annotate runs/main/RUN                   open that page for any run
  rlhp play env=pong -o demonstrations/me       act yourself and record demonstrations
  rlhp answers runs/main/RUN                    number, speed and agreement of the answers
  rlhp export runs/main/RUN answers.jsonl       write the answers to a file (rlhp import reads them)
  rlhp fit comparisons.npz                      fit a reward model to existing comparisons
  rlhp plot runs/main -o curves.png             learning curves of all runs below runs/main, and a CSV
  rlhp status runs/first_light                  progress and remaining time of a sweep
  rlhp evaluate runs/main/RUN --episodes 20     evaluate its policy on the true reward
  rlhp rate runs/main/RUN                       Elo ratings of its policy over time, from its answers
  rlhp film runs/main/RUN -o policy.mp4         a video of its policy
  rlhp inspect runs/main/RUN                    a report on whether its learned reward can be trusted
  rlhp push runs/main/RUN ada/hopper            publish it on the Hugging Face hub (rlhp pull gets it)
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    0 success; 1 doctor found something missing, or inspect a fault; 2 the user made a mistake; 130 interrupted; 141 the reader
    of the output has closed it.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _dispatch(arguments)
        finally:
            _flush()  # inside this try, so that a closed output is handled below
    except KeyboardInterrupt:
        print("\nrlhp: stopped; repeat the command to continue training from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _unread():
            return 141  # as shells report a program ended by SIGPIPE
        message = sentence(error)
        if message is None:
            raise
        print(f"rlhp: {escaped(' '.join(message.splitlines()))}", file=sys.stderr)
        return 2


def _flush() -> None:
    if sys.stdout is not None:  # the parent process may have closed it
        sys.stdout.flush()


def _unread() -> bool:
    """Whether the reader of our output has closed it; if so, redirects it to nowhere, since Python would complain at exit."""
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
    options, unknown = root.parse_known_args([first, *rest])
    if unknown:
        raise UserError(unknown_words(unknown, completion.commands(root).get(first, root)))
    return options.run(options)


def _unknown(word: str, commands: Sequence[str]) -> str:
    if "=" in word:
        return f"settings come after a command: rlhp train {word}"
    near = get_close_matches(word, commands, n=1, cutoff=0.0)[0]
    return f"there is no command {word!r}: did you mean {near!r}? The commands are {', '.join(commands)}"


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
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
