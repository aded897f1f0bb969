"""The pages in docs/ do what they say: their files are written, their commands run, with fewer steps."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from rlhp import cli

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
PAGE = Path(__file__).parents[1] / "docs" / "your_own_task.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEWER = (
    (r"total_steps([=:] ?)\d+", r"total_steps\g<1>4096"),
    (r"labels([=:] ?)\d+", r"labels\g<1>20"),
    (r"-\d+-seed1", "-20-seed1"),
)


def commands(page: Path) -> list[str]:
    """The lines of a page's shell blocks that call rlhp."""
    blocks = (text for kind, _, text in BLOCK.findall(page.read_text()) if kind == "sh")
    return [line for text in blocks for line in text.replace("\\\n", " ").splitlines() if line.startswith("rlhp ")]


def lessened(text: str) -> str:
    for pattern, replacement in FEWER:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.mark.slow
def test_bring_your_own_task(tmp_path: Path) -> None:
    commands = ["set -eu"]
    for kind, name, text in BLOCK.findall(PAGE.read_text()):
        if kind == "sh":
            commands.append(lessened(text))
        else:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(lessened(text))
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    script = "\n".join(commands)
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("runs/*/*/finished.json"))) == script.count("rlhp train") == 9
    assert len(list(tmp_path.glob("runs/*/*/*.mp4"))) == script.count("rlhp film") == 2
    assert "the policy is convolutional" in done.stderr


@pytest.mark.parametrize("line", [line for page in PAGES if page != PAGE for line in commands(page)])
def test_commands_can_be_given_so(line: str) -> None:
    """Settings compose, and other commands have the options that a page gives them."""
    _, command, *words = shlex.split(line, comments=True)
    if command == "train":
        with initialize_config_module("rlhp.conf", version_base="1.3"):
            compose("config", [word for word in words if word != "-m"])
    elif command != "play":
        cli.parser().parse_args([command, *words])
