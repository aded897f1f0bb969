"""A source distribution and a wheel: what they hold, and that an installation away from the checkout works by itself."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path

import pytest

from rlhp import __version__

ROOT = Path(__file__).parents[1]
SMALL = ["env=point", "total_steps=2000", "labels=20", "n_envs=2", "memory.capacity=200"]
MADE = {"PKG-INFO", "setup.cfg"}  # by the build


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, in an environment that knows nothing of the checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """The files of the checkout, by their paths."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout, but a source distribution")
    return [name for name in run("git", "ls-files", "-z", cwd=ROOT).split("\0") if name and (ROOT / name).exists()]


@pytest.fixture(scope="module")
def built(tmp_path_factory, tracked) -> Path:
    """A folder with the source distribution, and the wheel that is built from it."""
    place = tmp_path_factory.mktemp("built")
    for name in tracked:  # a build leaves build/ and *.egg-info where it is run
        (place / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place / "sources" / name)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", place / "dist", cwd=place / "sources")
    return place / "dist"


@pytest.fixture(scope="module")
def installed(tmp_path_factory, built) -> Path:
    """The bin folder of a fresh venv that holds the wheel, and sees this one's dependencies but not its editable rlhp."""
    place = tmp_path_factory.mktemp("wheel")
    (wheel,) = built.glob("rlhp-*.whl")
    venv.create(place / "venv", with_pip=False)
    python = place / "venv" / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=place)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(place / "venv"), "platbase": str(place / "venv")}))
    # A path that a .pth file names is searched, but its own .pth files, the editable install among them, are not read.
    searched = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "dependencies.pth").write_text("\n".join(searched))
    return python.parent


@pytest.mark.slow
def test_a_source_distribution_holds_what_a_checkout_does(built, tracked):
    (archive,) = built.glob("rlhp-*.tar.gz")
    with tarfile.open(archive) as file:
        held = {member.name.partition("/")[2] for member in file if member.isfile()}
    assert {name for name in held if "egg-info" not in name} - MADE == set(tracked)


@pytest.mark.slow
def test_archives_and_installation_are_of_this_version(built, installed, tmp_path):
    assert {path.name for path in built.iterdir()} == {f"rlhp-{__version__}.tar.gz", f"rlhp-{__version__}-py3-none-any.whl"}
    assert run(installed / "rlhp", "--version", cwd=tmp_path) == f"rlhp {__version__}\n"
    metadata = "from importlib.metadata import version; print(version('rlhp'))"
    assert run(installed / "python", "-c", metadata, cwd=tmp_path).strip() == __version__


@pytest.mark.slow
def test_wheel_trains_away_from_the_checkout(installed, tmp_path):
    where = run(installed / "python", "-c", "import rlhp, rlhp.conf; print(rlhp.__file__, *rlhp.conf.__path__)", cwd=tmp_path)
    assert str(ROOT) not in where and str(installed.parent) in where
    run(installed / "rlhp", "demo", *SMALL, "video=false", cwd=tmp_path)
    (metrics,) = tmp_path.glob("runs/demo/*/metrics.csv")
    last = metrics.read_text().splitlines()[-1]
    assert int(float(last.split(",")[0])) >= 2000


@pytest.mark.slow
def test_doctor_of_a_wheel_finds_every_dependency(installed, tmp_path):
    assert "MISSING" not in run(installed / "rlhp", "doctor", cwd=tmp_path)


@pytest.mark.slow
def test_help_from_a_wheel_lists_the_configuration(installed, tmp_path):
    assert "halfcheetah" in run(installed / "rlhp", "train", "--help", cwd=tmp_path)


@pytest.mark.slow
def test_the_page_is_in_the_wheel(installed, tmp_path):
    listed = "sorted(str(file.relative_to(root)) for part in (HTML, STATIC) for file in part.rglob('*') if file.is_file())"
    code = f"from rlhp.web.pages import HTML, STATIC; root = STATIC.parent; print(root, *{listed})"
    place, *files = run(installed / "python", "-c", code, cwd=tmp_path).split()
    own = ROOT / "rlhp/web"
    assert str(installed.parent) in place and files == sorted(
        str(file.relative_to(own)) for part in ("html", "static") for file in (own / part).rglob("*") if file.is_file()
    )
