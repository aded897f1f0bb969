"""Commands about this machine: checks of its installation, and shell completion."""

from __future__ import annotations

import argparse
from functools import partial

from rlhp import completion
from rlhp.cli.common import Add, say


def add_commands(add: Add, root: argparse.ArgumentParser) -> None:
    """Add the commands; `root` is the parser that completion covers."""
    _completion_options(
        add("completion", help="print a script that completes commands, options and settings in your shell"), root
    )
    add("doctor", help="list what is missing on this machine and how to install it").set_defaults(run=_doctor)


def _completion_options(parser: argparse.ArgumentParser, root: argparse.ArgumentParser) -> None:
    parser.description = (
        "Print a script for your shell, which completes commands, options, choices and settings. For bash, add to ~/.bashrc: "
        'eval "$(rlhp completion bash)". For zsh, to ~/.zshrc after compinit: eval "$(rlhp completion zsh)". For fish: '
        "rlhp completion fish > ~/.config/fish/completions/rlhp.fish"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("shell", nargs="?", choices=completion.SHELLS, help="whose script")
    what.add_argument("--settings", metavar="LINE", help=argparse.SUPPRESS)  # by the script, while a setting is typed
    parser.set_defaults(run=partial(_completion, root))


def _completion(root: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    if options.settings is not None:
        say("\n".join(completion.settings(options.settings)))
    else:
        print(completion.script(root, options.shell))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from rlhp import doctor

    return doctor.main()
