"""The notebooks run from end to end, at tiny settings, and their last cells hold what they say to be so."""

import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
PREFERENCES, FIGURE2, WAYS = (NOTEBOOKS / f"{name}.ipynb" for name in ("preferences", "reproduce_figure2", "ways_to_teach"))


def run(path: Path, **settings: object) -> nbformat.NotebookNode:
    """The notebook executed beside its files, with other values for some of its parameters."""
    book = nbformat.read(path, as_version=4)
    place = next(i for i, cell in enumerate(book.cells) if "parameters" in cell.metadata.get("tags", []))
    known = set(re.findall(r"^(\w+) = ", book.cells[place].source, flags=re.MULTILINE))
    assert set(settings) <= known, "a parameter that the notebook does not have"
    lines = [f"{name} = {value!r}" for name, value in settings.items()]
    book.cells.insert(place + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    NotebookClient(book, timeout=300, resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    return book


def printed(book: nbformat.NotebookNode) -> str:
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def pictures(book: nbformat.NotebookNode) -> int:
    """How many pictures it holds, none of them blank."""
    outputs = [output.get("data", {}) for cell in book.cells for output in cell.get("outputs", [])]
    shown = [Image.open(BytesIO(b64decode(data["image/png"]))).convert("L") for data in outputs if "image/png" in data]
    assert all(np.std(picture) > 5 for picture in shown)
    return len(shown)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One thread per kernel, figures within the notebook, and nobody's own settings of Jupyter."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel sets the one that draws into the notebook
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.slow
def test_preferences() -> None:
    book = run(PREFERENCES, SEEDS=1, STEPS=200)
    said = printed(book)
    assert "one nat is 173.72 points" in said
    assert "floor 0.0513, ceiling 2.996, tie 0.6931" in said
    assert "5 rankings of 4 clips: 5 rows of  6 pairs, each of which weighs 0.1667" in said
    assert "mean over pairs 0.282, Plackett-Luce 0.799" in said
    assert pictures(book) == 4


@pytest.mark.slow
def test_reproduce_figure2_without_results(tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    book = run(FIGURE2, RESULTS=str(nothing), PLACE=str(tmp_path), TASKS=["reacher"], LABELS=[20], SEEDS=[1, 2], STEPS=4096)
    said = printed(book)
    assert "tiny runs: 4 finished runs, 0 failed" in said
    assert "4 finished runs, 4 of them of 4,096 steps" in said
    assert "mean 1.35, median 0.95, interquartile mean 0.95" in said  # (0.9 + 0.9 + 1 + 1) / 4
    assert pictures(book) == 2
    # what is there is loaded, not made again; and a table that is not whole does not pass
    tables = tmp_path / "runs" / "figure2_tiny" / "tables"
    again = run(FIGURE2, RESULTS=str(tables), PLACE=str(nothing))
    assert "tiny runs" not in printed(again) and pictures(again) == 2
    header, *rows = (tables / "results.csv").read_text().splitlines()
    (tables / "results.csv").write_text("\n".join([header, *rows[:-1]]) + "\n")
    with pytest.raises(CellExecutionError, match="assert"):
        run(FIGURE2, RESULTS=str(tables), PLACE=str(nothing))


@pytest.mark.slow
def test_ways_to_teach() -> None:
    book = run(WAYS, STEPS=2048, FITS=400, ROUND=50)
    said = printed(book)
    expert, still = map(float, re.findall(r"return is (-[\d.]+); a point that does not move gets (-[\d.]+)", said)[0])
    table = dict(re.findall(r"^(\w[\w, ]+?) +(-?[\d.]+)$", said, flags=re.MULTILINE))
    assert len(table) == 7 and still < -20 < -6 < expert
    assert float(table["Cloning, 16 episodes"]) > -6 and float(table["DAgger"]) > -6, (
        "what is fitted to an expert does as it does"
    )
    assert pictures(book) == 1


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_what_is_committed(path: Path) -> None:
    """Small, valid, without errors and without anybody's paths; run from top to bottom or not at all."""
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert path.stat().st_size < 500_000
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    texts = [output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs]
    assert not [text for text in texts if re.search(r"(?<![\w.])(/\w+){2}|\w:\\", text)]
    counts = [cell.execution_count for cell in book.cells if cell.cell_type == "code"]
    assert counts in ([None] * len(counts), [*range(1, len(counts) + 1)])


def test_preferences_is_committed_with_its_figures() -> None:
    assert pictures(nbformat.read(PREFERENCES, as_version=4)) == 4
