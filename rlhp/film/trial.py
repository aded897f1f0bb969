"""Whether a way to draw works on this machine, tried in a process of its own: a driver may crash or hang rather than complain."""

from __future__ import annotations

import os
import subprocess
import sys

from rlhp.film.render import BACKENDS

PATIENCE = 60.0  # seconds for a driver to come up; one that hangs never does

# What MuJoCo itself does to draw, by the way that MUJOCO_GL names.
SWITCH = """
import mujoco
context = mujoco.GLContext(8, 8)
context.make_current()
mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), 100)
"""


def complaint(program: str, backend: str) -> str | None:
    """What a Python program ends with where MUJOCO_GL is `backend`: the last line of its error; None where it works."""
    environment, command = {**os.environ, "MUJOCO_GL": backend}, [sys.executable, "-c", program]
    try:
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return f"it does not answer within {PATIENCE:g} s"
    return None if result.returncode == 0 else (result.stderr.strip().splitlines() or ["it crashes"])[-1]


def refused() -> str | None:
    """Why the way to draw that MUJOCO_GL names cannot be used here, in a sentence; None where it names none, or can."""
    wanted = os.environ.get("MUJOCO_GL")
    why = complaint(SWITCH, wanted) if wanted else None
    if why is None:
        return None
    return f"MUJOCO_GL={wanted} cannot draw here ({why}); unset it, or set it to one of {', '.join(BACKENDS)}"
