"""The command line: help, and clear sentences for what a user did wrong."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from rlhp import cli
from rlhp.types import UserError

COMMANDS = ["train", "plot", "evaluate", "film", "label", "labels", "export", "import", "doctor"]


def failing(error: BaseException):
    def fail(*_: object) -> int:
        raise error

    return fail


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_has_help(command, capsys):
    try:
        status = cli.main([*command, "--help"])
    except SystemExit as leaving:  # argparse's way
        status = leaving.code
    assert status == 0
    assert "usage: rlhp" in capsys.readouterr().out


def test_help_of_train_lists_the_configuration(capsys):
    cli.main(["train", "--help"])
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  env "))
    assert {"halfcheetah", "hopper", "gym"} <= set(listed["env"].split(", "))


def test_help_is_instant_because_nothing_heavy_is_imported():
    heavy = "import sys; from rlhp import cli; print({'torch', 'hydra', 'mujoco', 'matplotlib', 'fastapi'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True).stdout.strip() == "set()"


def test_no_command_shows_the_help(capsys):
    assert cli.main([]) == 2
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "meant"), [("trian", "train"), ("plto", "plot"), ("eval", "evaluate"), ("env=hopper", "rlhp train")]
)
def test_mistyped_command_names_the_nearest(typed, meant, capsys):
    assert cli.main([typed]) == 2
    captured = capsys.readouterr()
    assert meant in captured.err and len(captured.err.splitlines()) == 1 and not captured.out


def test_user_error_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_doctor", failing(UserError("labels is -1: ask for at least 0")))
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "rlhp: labels is -1: ask for at least 0\n"


def test_user_error_is_found_within_what_wraps_it(monkeypatch, capsys):
    wrapped = RuntimeError("Error in call to target")
    wrapped.__cause__ = UserError("no such task")
    monkeypatch.setattr(cli, "_doctor", failing(wrapped))
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "rlhp: no such task\n"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),  # safetensors
        RuntimeError("database or disk is full"),  # SQLite
    ],
)
def test_full_disk(error, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_doctor", failing(error))
    assert cli.main(["doctor"]) == 2
    message = capsys.readouterr().err
    assert "the disk is full" in message and "same command again" in message and len(message.splitlines()) == 1


def test_a_name_that_the_disk_does_not_take(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_doctor", failing(OSError(errno.ENAMETOOLONG, "File name too long")))
    assert cli.main(["doctor"]) == 2
    assert "give a shorter one" in capsys.readouterr().err


def test_what_we_did_wrong_keeps_its_traceback(monkeypatch):
    bug = KeyError("ours")
    bug.__context__ = UserError("met on the way, and handled")
    monkeypatch.setattr(cli, "_doctor", failing(bug))
    with pytest.raises(KeyError):
        cli.main(["doctor"])


def test_stopping_says_how_to_go_on(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_doctor", failing(KeyboardInterrupt()))
    assert cli.main(["doctor"]) == 130
    assert "same command" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plot", "evaluate", "film", "label", "labels", "export", "import"])
def test_a_run_that_is_not_there(command, tmp_path: Path, capsys):
    file = ["labels.jsonl"] if command in ("export", "import") else []
    assert cli.main([command, str(tmp_path / "nowhere"), *file]) == 2
    captured = capsys.readouterr()
    assert "nowhere" in captured.err and "Traceback" not in captured.err


def test_a_film_of_an_unknown_kind(tmp_path: Path, capsys):
    assert cli.main(["film", str(tmp_path), "-o", "policy.gif"]) == 2
    assert ".mp4" in capsys.readouterr().err
