"""Shell completion: what the settings of a command may become, and that shells can read the script and ask for it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rlhp import cli, completion
from rlhp.completion import settings

PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rlhp train env=hopper", ["env=hopper", "env=hopper_backflip"]),
        ("rlhp train -m env=pong,sea", ["env=pong,seaquest"]),
        ("rlhp train experiment=ablation/t", ["experiment=ablation/target"]),
        ("rlhp train total_st", ["total_steps="]),
        ("rlhp train agent.learning_rate.", ["agent.learning_rate.start="]),
        ("rlhp train env=pong agent.n_ste", ["agent.n_steps="]),
        ("rlhp train video=", ["video=false"]),
        ("rlhp demo video=", ["video=true"]),
        ("rlhp fit data.npz heldo", ["heldout="]),
        ("rlhp extend runs/main/RUN ", ["labels=", "total_steps="]),
        ("rlhp plot ru", []),
        ("rlhp train nothing.of.the.kind=", []),
        ("", []),
    ],
)
def test_settings_are_completed_to_what_there_is(line: str, expected: list[str]) -> None:
    assert settings(line) == expected


def test_a_level_of_settings_shows_no_names_of_hydras_own() -> None:
    found = settings("rlhp train agent.")
    assert {"agent.gamma=", "agent.learning_rate."} <= set(found)
    assert not [name for name in found if "_target_" in name]


def test_what_cannot_be_composed_does_not_keep_the_rest_from_being_completed() -> None:
    assert settings("rlhp train env=hopper,walker labels=nonsense no.such=1 total_st") == ["total_steps="]


def completed(line: str, folder: Path) -> list[str]:
    """What bash offers at the end of a line, as words of its own making."""
    words = [word for part in line.split(" ") for word in re.split("(=)", part)]
    script = (
        'eval "$(rlhp completion bash)"\n'
        "COMP_WORDBREAKS=$' \\t\\n\"\\'><=;|&(:'\n"
        'COMP_LINE=$1 COMP_POINT=${#1}; shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))\n'
        "_rlhp\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
        "complete -p rlhp >&2"
    )
    environment = {**os.environ, "PATH": PATH}
    command = ["bash", "--norc", "-c", script, "bash", line, *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "-F _rlhp rlhp" in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rlhp eva", ["evaluate"]),
        ("rlhp film --sec", ["--seconds"]),
        ("rlhp inspect --codec ", ["h264", "vp9"]),
        ("rlhp train env=swim", ["swimmer"]),
        ("rlhp train video=", ["false"]),
        ("rlhp train --cfg job total_st", ["total_steps="]),
        ("rlhp evaluate ru", ["runs"]),
        ("rlhp fit comp", ["comparisons.npz"]),
    ],
)
def test_bash_completes_commands_options_settings_and_paths(line: str, expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "comparisons.npz").touch()
    assert completed(line, tmp_path) == expected


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_scripts_name_every_command_and_no_hidden_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in ("train", "evaluate", "deterministic", "completion --settings"))
    assert "beside" not in script


def test_fish_asks_for_settings_while_one_is_typed_and_not_when_it_reads_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", "fish"])
    asking = [line for line in capsys.readouterr().out.splitlines() if "completion --settings" in line]
    assert len(asking) == 5 and all('-ka "(rlhp completion --settings (commandline -cp))"' in line for line in asking)


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_shells_can_read_their_script(shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    cli.main(["completion", shell])
    (tmp_path / "script").write_text(capsys.readouterr().out)
    done = subprocess.run([shell, "-n", tmp_path / "script"], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr
