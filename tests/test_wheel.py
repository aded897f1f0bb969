"""A wheel, installed away from the checkout, trains with the configuration that it carries."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SMALL = ["env=point", "total_steps=2000", "labels=20", "n_envs=2", "memory.capacity=200"]


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, in an environment that knows nothing of the checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    result = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The bin folder of a fresh venv that holds the wheel, and sees this one's dependencies but not its editable rlhp."""
    place = tmp_path_factory.mktemp("wheel")
    # --outdir and a copy of the sources: a build leaves build/ and *.egg-info where it is run
    sources = place / "sources"
    sources.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "rlhp", "conf"):
        run("cp", "-r", ROOT / name, sources, cwd=place)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", place / "dist", cwd=sources)
    (wheel,) = (place / "dist").glob("rlhp-*.whl")
    venv.create(place / "venv", with_pip=False)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(place / "venv"), "platbase": str(place / "venv")}))
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--target", site, wheel, cwd=place)
    # A path that a .pth file names is searched, but its own .pth files, the editable install among them, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    return place / "venv" / "bin"


@pytest.mark.slow
def test_wheel_trains_away_from_the_checkout(installed, tmp_path):
    where = run(installed / "python", "-c", "import rlhp, rlhp.conf; print(rlhp.__file__, *rlhp.conf.__path__)", cwd=tmp_path)
    assert str(ROOT) not in where and str(installed.parent) in where
    main = "import sys; from rlhp.cli import main; sys.exit(main())"
    run(installed / "python", "-c", main, "train", *SMALL, cwd=tmp_path)
    (metrics,) = tmp_path.rglob("metrics.csv")
    last = metrics.read_text().splitlines()[-1]
    assert int(float(last.split(",")[0])) >= 2000


@pytest.mark.slow
def test_help_from_a_wheel_lists_the_configuration(installed, tmp_path):
    main = "import sys; from rlhp.cli import main; sys.exit(main())"
    assert "halfcheetah" in run(installed / "python", "-c", main, "train", "--help", cwd=tmp_path)


@pytest.mark.slow
def test_the_page_is_in_the_wheel(installed, tmp_path):
    listed = "sorted(str(file.relative_to(STATIC)) for file in STATIC.rglob('*') if file.is_file())"
    code = f"from rlhp.web.app import STATIC; print(STATIC, *{listed})"
    place, *files = run(installed / "python", "-c", code, cwd=tmp_path).split()
    own = Path(__file__).parents[1] / "rlhp/web/static"
    assert str(installed.parent) in place and files == sorted(
        str(file.relative_to(own)) for file in own.rglob("*") if file.is_file()
    )
