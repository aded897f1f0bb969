"""The `rlhp` command line. Commands import what they need when they are run, so that `rlhp --help` answers at once."""

from rlhp.cli.command import main, parser

__all__ = ["main", "parser"]
