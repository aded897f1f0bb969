"""Test a rendering backend in a separate process, since a driver may crash or hang instead of raising an error."""

from __future__ import annotations

import os
import subprocess
import sys

from rlhp.film.render import BACKENDS

PATIENCE = 60.0  # timeout for a driver in seconds

# What MuJoCo itself does to render with the backend that MUJOCO_GL names.
SWITCH = """
import mujoco
context = mujoco.GLContext(8, 8)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 100)
"""


def complaint(program: str, backend: str) -> str | None:
    """Run a Python program with MUJOCO_GL=`backend`, and return the last line of its error output; None if it succeeds."""
    environment, command = {**os.environ, "MUJOCO_GL": backend}, [sys.executable, "-c", program]
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"it does not respond within {PATIENCE:g} s"
    return None if result.returncode == 0 else (result.stderr.strip().splitlines() or ["it crashes"])[-1]


def refused() -> str | None:
    """Return why the backend that MUJOCO_GL names does not work here, in a sentence; None if it works or none is named."""
    requested = os.environ.get("MUJOCO_GL")
    why = complaint(SWITCH, requested) if requested else None
    if why is None:
        return None
    return f"MUJOCO_GL={requested} cannot draw here ({why}); unset it, or set it to one of {', '.join(BACKENDS)}"
