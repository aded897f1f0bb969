"""The command line: help, and clear sentences for what a user did wrong."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rlhp import cli, doctor
from rlhp.answers import table
from rlhp.types import UserError

COMMANDS = ["demo", "train", "plot", "evaluate", "film", "annotate", "answers", "rate", "export", "import", "doctor"]


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


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        (["status", "runs", "--jsn"], "rlhp status has no option --jsn; rlhp status --help lists them."),
        (["push", "runs", "--licence=mit"], "rlhp push has no option --licence: did you mean --license?"),
        (["evaluate", "runs", "--episods", "3"], "rlhp evaluate has no option --episods: did you mean --episodes?"),
        (["evaluate", "runs", "more"], "rlhp evaluate does not take 'more'; rlhp evaluate --help lists what it takes."),
        (["train", "--confg-dir", "x"], "rlhp train has no option --confg-dir: did you mean --config-dir?"),
        (["demo", "--multrun"], "rlhp train has no option --multrun: did you mean --multirun?"),
        (["fit", "data.npz", "--colums", "a=b"], "rlhp fit has no option --colums: did you mean --columns?"),
        (["play", "env=pong", "--sped", "3"], "rlhp play has no option --sped: did you mean --speed?"),
        (["--verbose", "status", "runs"], "rlhp has no option --verbose: did you mean --version?"),
    ],
)
def test_mistyped_option_names_the_nearest(typed, sentence, capsys):
    assert cli.main(typed) == 2
    assert capsys.readouterr().err == f"rlhp: {sentence}\n"


def test_user_error_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "main", failing(UserError("labels is -1: ask for at least 0")))
    assert cli.main(["doctor"]) == 2
    assert capsys.readouterr().err == "rlhp: labels is -1: ask for at least 0\n"


def test_user_error_is_found_within_what_wraps_it(monkeypatch, capsys):
    wrapped = RuntimeError("Error in call to target")
    wrapped.__cause__ = UserError("no such task")
    monkeypatch.setattr(doctor, "main", failing(wrapped))
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
    monkeypatch.setattr(doctor, "main", failing(error))
    assert cli.main(["doctor"]) == 2
    message = capsys.readouterr().err
    assert "the disk is full" in message and "same command again" in message and len(message.splitlines()) == 1


def test_a_name_that_the_disk_does_not_take(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "main", failing(OSError(errno.ENAMETOOLONG, "File name too long")))
    assert cli.main(["doctor"]) == 2
    assert "give a shorter one" in capsys.readouterr().err


def test_what_we_did_wrong_keeps_its_traceback(monkeypatch):
    bug = KeyError("ours")
    bug.__context__ = UserError("met on the way, and handled")
    monkeypatch.setattr(doctor, "main", failing(bug))
    with pytest.raises(KeyError):
        cli.main(["doctor"])


def test_a_circle_of_causes_is_walked_once(monkeypatch):
    error, cause = KeyError("theirs"), RuntimeError("what wraps it")
    error.__cause__, cause.__cause__ = cause, error
    monkeypatch.setattr(doctor, "main", failing(error))
    with pytest.raises(KeyError):
        cli.main(["doctor"])


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/a/run"),
        OSError(errno.EROFS, "Read-only file system", "/a/run"),
        RuntimeError("I/O error: Permission denied (os error 13)"),  # safetensors
        RuntimeError("attempt to write a readonly database"),  # SQLite
    ],
)
def test_what_may_not_be_written(error, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "main", failing(error))
    assert cli.main(["doctor"]) == 2
    message = capsys.readouterr().err
    assert message.startswith("rlhp: no access: ") and "copy of the run" in message and len(message.splitlines()) == 1


def test_a_file_that_is_missing_is_not_taken_for_one_of_the_users(monkeypatch):
    monkeypatch.setattr(doctor, "main", failing(FileNotFoundError(errno.ENOENT, "No such file or directory", "ours")))
    with pytest.raises(FileNotFoundError):
        cli.main(["doctor"])


@pytest.mark.parametrize("command", [["doctor"], ["--help"], ["train", "--help"], ["status", "runs"]])
def test_nobody_reads_on(command, tmp_path):
    for seed in range(50):
        run = tmp_path / "runs" / str(seed)
        run.mkdir(parents=True)
        settings = {"task": "point", "condition": "preferences", "labels": 8, "seed": seed, "total_steps": 9}
        (run / "config.yaml").write_text(json.dumps(settings))
        for name in ("metrics.csv", "clock.csv"):
            (run / name).write_text("step\n")
    reading, writing = os.pipe()
    os.close(reading)
    program = [sys.executable, "-m", "rlhp.cli", *command]
    ended = subprocess.run(program, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=200)
    os.close(writing)
    assert ended.returncode in (0, 141) and not ended.stderr  # argparse does not mind for its help


def test_a_broken_pipe_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(doctor, "main", failing(BrokenPipeError("to a process that has ended")))
    with pytest.raises(BrokenPipeError):
        cli.main(["doctor"])


def test_names_do_not_steer_the_terminal(monkeypatch, capsys):
    monkeypatch.setattr("rlhp.run.status.report", lambda folder: "a run\n\x1b[2Jfake\u202e \udcff é")
    assert cli.main(["status", "runs"]) == 0
    monkeypatch.setattr(doctor, "main", failing(UserError("no run \x1b[2J\nfake")))
    assert cli.main(["doctor"]) == 2
    told = capsys.readouterr()
    assert told.out == "a run\n\\x1b[2Jfake\\u202e \\udcff é\n"
    assert told.err == "rlhp: no run \\x1b[2J fake\n"


@pytest.mark.parametrize("command", ["train", "evaluate", "film", "annotate"])
def test_a_way_to_draw_that_mujoco_refuses(command, tmp_path):
    program = [sys.executable, "-m", "rlhp.cli", command, "env=point" if command == "train" else str(tmp_path)]
    environment = {**os.environ, "MUJOCO_GL": "foo"}
    ended = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 2 and "MUJOCO_GL=foo cannot be used here" in ended.stderr and "unset it" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_stopping_says_how_to_go_on(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "main", failing(KeyboardInterrupt()))
    assert cli.main(["doctor"]) == 130
    assert "repeat the command to continue" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["plot", "evaluate", "film", "demonstrate", "annotate", "answers", "export", "import", "rate"]
)
def test_a_run_that_is_not_there(command, tmp_path: Path, capsys):
    file = ["labels.jsonl"] if command in ("export", "import") else []
    assert cli.main([command, str(tmp_path / "nowhere"), *file]) == 2
    captured = capsys.readouterr()
    assert str(tmp_path / "nowhere") in captured.err and "Traceback" not in captured.err
    assert "preferences.sqlite" not in captured.err, "a run is named by its directory"


def test_a_film_of_an_unknown_kind(tmp_path: Path, capsys):
    assert cli.main(["film", str(tmp_path), "-o", "policy.gif"]) == 2
    assert ".mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    "settings", [b"\xff\x00\x1b", b"a: [1,\n b: {", b"", b"- 1", None], ids=["junk", "cut", "empty", "list", "folder"]
)
@pytest.mark.parametrize("command", ["evaluate", "film", "plot", "status", "annotate"])
def test_settings_that_cannot_be_read(command, settings, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.csv").write_text("step\n")
    if settings is None:
        (run / "config.yaml").mkdir()
    else:
        (run / "config.yaml").write_bytes(settings)
    assert cli.main([command, str(run)]) == 2
    message = capsys.readouterr().err
    assert message.startswith("rlhp: ") and "run" in message and len(message.splitlines()) == 1


def test_a_name_in_the_table_of_answers_stays_on_its_line():
    assert table._name("human:a\x1b[2J\nb") == "a\\x1b[2J\\nb"
