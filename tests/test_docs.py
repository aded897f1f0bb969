"""The pages in docs/ do what they say: their files are written, their commands run, with fewer steps."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "your_own_task.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FEWER = (
    (r"total_steps([=:] ?)\d+", r"total_steps\g<1>4096"),
    (r"labels([=:] ?)\d+", r"labels\g<1>20"),
    (r"-\d+-seed1", "-20-seed1"),
)


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
