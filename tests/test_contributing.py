"""The worked examples of CONTRIBUTING, trained with from a folder outside the package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
FILE = re.compile(r'```(?:python|yaml) title="([\w./]+)"\n(.*?)```', re.DOTALL)
TINY = ["n_envs=2", "threads=1", "agent.n_steps=32", "agent.batch_size=64", "total_steps=320", "labels=4", "clip_steps=5"]
EXAMPLES = [
    "env=point teacher=left",
    "env=point query=closest",
    "env=point reward_model=distance",
    "env=line",
    "env=point feedback=worst",
]
# `rlhp train`, where the kind of feedback has its entry
TRAIN = (
    "import sys; from rlhp import cli, feedback; from worst import WORST; feedback.KINDS['worst'] = WORST; sys.exit(cli.main())"
)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    for name, content in FILE.findall(CONTRIBUTING.read_text()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def test_there_is_an_example_of_each_kind(mine: Path) -> None:
    there = {f"{file.parent.name}={file.stem}" for file in mine.rglob("*.yaml")}
    assert there == {example.split()[-1] for example in EXAMPLES}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_trains(example: str, mine: Path, tmp_path: Path) -> None:
    words = ["train", "--config-dir", str(mine / "conf"), f"hydra.run.dir={tmp_path}", *TINY, *example.split()]
    environment = {**os.environ, "PYTHONPATH": str(mine), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", TRAIN, *words], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "finished.json").read_text())["labels"]["used"] == 4
