"""Checks of this machine's installation: what is missing, and how to fix it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import ModuleType

import av
from packaging.requirements import Requirement

OK, NOTE, MISSING = "ok", "note", "MISSING"
ROOM = 1.0  # GB of disk space that a long run with checkpoints may need
PROBE = "from rlhp import film; film.probe()"
OPTIONAL = (
    "wandb",
    "slurm",
    "ray",
    "optuna",
    "labels",
    "parquet",
    "hub",
)  # extras for users; dev is for developers


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check: MISSING is needed for training, a note is not; `mend` says how to fix it."""

    what: str
    status: str
    found: str
    mend: str = ""


def main() -> int:
    """Print all findings; return 0 if everything that training needs is installed, otherwise 1."""
    findings = [*_python(), *_packages(), *_switch(), *_drawing(), *_encoder(), *_games(), *_machine(), *_folder(Path("runs"))]
    print(table(findings))
    return int(any(finding.status == MISSING for finding in findings))


def table(findings: list[Finding]) -> str:
    """Format the findings in aligned columns, each with its remedy on the next line."""
    what, status = (max(len(getattr(f, name)) for f in findings) for name in ("what", "status"))
    lines: list[str] = []
    for f in findings:
        lines.append(f"{f.what:<{what}}  {f.status:<{status}}  {f.found}")
        if f.mend:
            lines.append(f"{'':<{what}}  {'':<{status}}  -> {f.mend}")
    return "\n".join(lines)


def _python() -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    yield Finding("python", OK if good else MISSING, sys.version.split()[0], "" if good else "install Python 3.11 or newer")


def _packages() -> Iterator[Finding]:
    """Check each dependency declared in pyproject.toml."""
    try:
        declared = [Requirement(line) for line in requires("rlhp") or ()]
    except PackageNotFoundError:
        yield Finding("rlhp", MISSING, "not installed", "pip install -e . (in the checkout)")
        return
    for need in sorted(declared, key=lambda r: r.name.lower()):
        if need.marker is None or need.marker.evaluate():
            yield package(need, MISSING)
        elif any(need.marker.evaluate({"extra": extra}) for extra in OPTIONAL):
            yield package(need, NOTE)


def package(need: Requirement, otherwise: str) -> Finding:
    """Check that a package is installed in a supported version; `otherwise` is the status if it is not."""
    mend = f"pip install '{need.name}{need.specifier}'"
    try:
        found = version(need.name)
    except PackageNotFoundError:
        return Finding(need.name, otherwise, "not installed", mend)
    if need.specifier.contains(found, prereleases=True):
        return Finding(need.name, OK, found)
    return Finding(need.name, otherwise, f"{found}, which is not {need.specifier}", mend)


def _switch() -> Iterator[Finding]:
    """Check that the backend named in MUJOCO_GL works; if MuJoCo rejects it, training fails too."""
    wanted = os.environ.get("MUJOCO_GL")
    if not wanted:
        return
    mend = f"unset MUJOCO_GL, or set it to one of {', '.join(_film().BACKENDS)}"
    if why := _film().complaint("import mujoco", wanted):
        yield Finding("MUJOCO_GL", MISSING, f"{wanted} is unusable: {why}"[:110], mend)
    elif _film().refused():
        yield Finding("MUJOCO_GL", NOTE, f"{wanted} is unusable: it cannot render on this machine", mend)
    else:
        yield Finding("MUJOCO_GL", OK, wanted)


def _drawing() -> Iterator[Finding]:
    """Find the first rendering backend that works, or report why the first one does not."""
    complaints: list[str] = []
    for backend in _film().BACKENDS if sys.platform == "linux" else ("",):
        why = _film().complaint(PROBE, backend)
        if why is None:
            yield Finding("OpenGL (videos)", OK, backend or "available")
            return
        complaints.append(why)
    reason = complaints[0].rpartition("UserError: ")[2].partition(";")[0]
    yield Finding("OpenGL (videos)", NOTE, f"cannot draw: {reason}"[:110], _film().APT)


def _film() -> ModuleType:
    """Import the package `film`, which fails while MUJOCO_GL names a backend that MuJoCo rejects."""
    before = os.environ.pop("MUJOCO_GL", None)
    try:
        return import_module("rlhp.film")
    finally:
        if before is not None:
            os.environ["MUJOCO_GL"] = before


def _encoder() -> Iterator[Finding]:
    for codec, (encoder, _) in _film().CODECS.items():
        available = encoder in av.codecs_available
        yield Finding(
            f"{codec} (videos)", OK if available else NOTE, encoder, "" if available else "pip install --force-reinstall av"
        )


def _games() -> Iterator[Finding]:
    """Check that the Atari games can be played."""
    try:
        missing = import_module("rlhp.atari.emulator").missing()
    except ImportError as error:
        missing = [str(error)]
    mend = "pip install --force-reinstall ale-py opencv-python-headless" if missing else ""
    yield Finding("Atari games", NOTE if missing else OK, ", ".join(missing)[:110] or "available", mend)


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    yield Finding("cores", OK, f"{cores} (OMP_NUM_THREADS {threads}; training sets its own threads)")


def _folder(runs: Path) -> Iterator[Finding]:
    """Check that runs can be written here, without leaving a file."""
    place = runs if runs.is_dir() else runs.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=place):
            yield Finding("runs/", OK, f"{place} is writable")
    except OSError as error:
        yield Finding(
            "runs/", MISSING, f"{place}: {error.strerror}", "change to a folder that you can write to, or free some space"
        )
    free = shutil.disk_usage(place).free / 1e9
    mend = "" if free >= ROOM else f"free at least {ROOM:.0f} GB"
    yield Finding("disk", OK if free >= ROOM else NOTE, f"{free:.1f} GB free", mend)
