"""What is missing on this machine, and the line that mends it."""

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
ROOM = 1.0  # GB that a long run with checkpoints may need
PROBE = "from rlhp import film; film.probe()"
OPTIONAL = (
    "wandb",
    "slurm",
    "ray",
    "optuna",
    "labels",
    "parquet",
    "hub",
)  # extras for users; dev is for those who change the code


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: MISSING is needed for training, a note is not; `mend` is what to do about either."""

    what: str
    status: str
    found: str
    mend: str = ""


def main() -> int:
    """Print every finding; 0 if all that training needs is there, else 1."""
    findings = [*_python(), *_packages(), *_switch(), *_drawing(), *_encoder(), *_games(), *_machine(), *_folder(Path("runs"))]
    print(table(findings))
    return int(any(finding.status == MISSING for finding in findings))


def table(findings: list[Finding]) -> str:
    """The findings in aligned columns, each remedy on a line of its own below what it mends."""
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
    """One row per dependency of ours, as pyproject.toml declares them."""
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


def package(need: Requirement, if_not: str) -> Finding:
    """Whether a package is there in a version that we support."""
    mend = f"pip install '{need.name}{need.specifier}'"
    try:
        found = version(need.name)
    except PackageNotFoundError:
        return Finding(need.name, if_not, "not installed", mend)
    if need.specifier.contains(found, prereleases=True):
        return Finding(need.name, OK, found)
    return Finding(need.name, if_not, f"{found}, which is not {need.specifier}", mend)


def _switch() -> Iterator[Finding]:
    """Whether what MUJOCO_GL asks for can be used: where MuJoCo refuses it, nothing can be trained either."""
    wanted = os.environ.get("MUJOCO_GL")
    if not wanted:
        return
    mend = f"unset MUJOCO_GL, or set it to one of {', '.join(_film().BACKENDS)}"
    if why := _film().complaint("import mujoco", wanted):
        yield Finding("MUJOCO_GL", MISSING, f"{wanted} is unusable: {why}"[:110], mend)
    elif _film().refused():
        yield Finding("MUJOCO_GL", NOTE, f"{wanted} is unusable: nothing can be drawn so here", mend)
    else:
        yield Finding("MUJOCO_GL", OK, wanted)


def _drawing() -> Iterator[Finding]:
    """The first way to draw that works, or why the first of them does not."""
    complaints: list[str] = []
    for backend in _film().BACKENDS if sys.platform == "linux" else ("",):
        why = _film().complaint(PROBE, backend)
        if why is None:
            yield Finding("OpenGL (videos)", OK, backend or "there")
            return
        complaints.append(why)
    reason = complaints[0].rpartition("UserError: ")[2].partition(";")[0]
    yield Finding("OpenGL (videos)", NOTE, f"cannot draw: {reason}"[:110], _film().APT)


def _film() -> ModuleType:
    """The package `film`, which cannot be imported while MUJOCO_GL asks for what MuJoCo refuses."""
    before = os.environ.pop("MUJOCO_GL", None)
    try:
        return import_module("rlhp.film")
    finally:
        if before is not None:
            os.environ["MUJOCO_GL"] = before


def _encoder() -> Iterator[Finding]:
    for codec, (encoder, _) in _film().CODECS.items():
        there = encoder in av.codecs_available
        yield Finding(f"{codec} (videos)", OK if there else NOTE, encoder, "" if there else "pip install --force-reinstall av")


def _games() -> Iterator[Finding]:
    """Whether the games can be played."""
    try:
        missing = import_module("rlhp.atari.emulator").missing()
    except ImportError as error:
        missing = [str(error)]
    mend = "pip install --force-reinstall ale-py opencv-python-headless" if missing else ""
    yield Finding("Atari games", NOTE if missing else OK, ", ".join(missing)[:110] or "there", mend)


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    yield Finding("cores", OK, f"{cores} (OMP_NUM_THREADS {threads}; training sets its own threads)")


def _folder(runs: Path) -> Iterator[Finding]:
    """Whether runs can be written here: looks, and leaves nothing behind."""
    place = runs if runs.is_dir() else runs.absolute().parent
    try:
        with tempfile.TemporaryFile(dir=place):
            yield Finding("runs/", OK, f"{place} can be written")
    except OSError as error:
        yield Finding("runs/", MISSING, f"{place}: {error.strerror}", "change to a folder of yours, or free some space")
    free = shutil.disk_usage(place).free / 1e9
    mend = "" if free >= ROOM else f"free at least {ROOM:.0f} GB"
    yield Finding("disk", OK if free >= ROOM else NOTE, f"{free:.1f} GB free", mend)
