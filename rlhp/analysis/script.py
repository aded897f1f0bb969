"""How an experiment's analysis is run from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from rlhp.types import UserError


def script(main: Callable[[Sequence[str]], None]) -> None:
    """Run `main` on the command line's arguments; what the user did wrong is one sentence and exit status 2."""
    try:
        main(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
