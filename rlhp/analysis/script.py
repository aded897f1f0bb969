"""Entry point of the experiments' analysis scripts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rlhp.types import UserError


def script(main: Callable[[Sequence[str]], None]) -> None:
    """Run `main` with the command line's arguments; a UserError prints one sentence and exits with status 2."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
