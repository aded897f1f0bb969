"""`python -m rlhp.cli`, which is `rlhp`."""

import sys

from rlhp.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
