"""What doctor says about a machine."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from rlhp import doctor, film
from rlhp.atari import emulator, find
from rlhp.doctor import MISSING, NOTE, OK, Finding
from rlhp.types import UserError


def test_package_in_range():
    assert doctor.package(Requirement("numpy>=1"), MISSING) == Finding("numpy", OK, version("numpy"))


def test_package_out_of_range_names_the_line_that_mends_it():
    finding = doctor.package(Requirement("numpy<1"), MISSING)
    assert finding.status == MISSING and finding.mend == "pip install 'numpy<1'" and version("numpy") in finding.found


def test_package_that_is_not_there():
    assert doctor.package(Requirement("no-such-package-of-ours>=2"), NOTE).status == NOTE


def test_local_build_of_a_package_is_in_range(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: "2.13.0+cpu")
    assert doctor.package(Requirement("torch>=2.8,<2.14"), MISSING).status == OK


def test_table_is_aligned():
    text = doctor.table([Finding("a", OK, "1"), Finding("longer", MISSING, "none", "mend it")])
    assert text.splitlines() == ["a       ok       1", "longer  MISSING  none", "                 -> mend it"]


@pytest.mark.parametrize(("status", "code"), [(OK, 0), (NOTE, 0), (MISSING, 1)])
def test_only_what_training_needs_fails(status, code, monkeypatch, capsys):
    for part in ("_python", "_packages", "_switch", "_drawing", "_encoder", "_games", "_machine"):
        monkeypatch.setattr(doctor, part, lambda: [Finding("x", status, "y", "z")])
    monkeypatch.setattr(doctor, "_folder", lambda runs: [])
    assert doctor.main() == code
    assert "-> z" in capsys.readouterr().out


def test_folder_that_cannot_be_written(tmp_path, monkeypatch):
    def refuse(dir):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    first, *_ = doctor._folder(tmp_path)
    assert first.status == MISSING and "Read-only" in first.found


def test_machine_that_cannot_draw_gets_the_apt_line(monkeypatch):
    program = "raise SystemExit('rlhp.types.UserError: no library; install it')"
    monkeypatch.setattr(doctor, "PROBE", program)
    (finding,) = doctor._drawing()
    assert finding.status == NOTE and "apt-get install" in finding.mend and "no library" in finding.found


@pytest.mark.parametrize(("value", "status"), [("foo", MISSING), ("disabled", NOTE)])
def test_a_switch_that_cannot_be_used_is_told(value, status, monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", value)
    (finding,) = doctor._switch()
    assert finding.status == status and f"{value} is unusable" in finding.found and "unset MUJOCO_GL" in finding.mend


def test_a_driver_that_hangs_is_told(monkeypatch):
    """Each program is given up at once here: none of them comes to its end in no time."""
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr("rlhp.film.trial.PATIENCE", 0.0)
    (switch,), (drawing,) = doctor._switch(), doctor._drawing()
    assert switch.status == MISSING and "egl is unusable: it does not respond within" in switch.found
    assert drawing.status == NOTE and "cannot draw: it does not respond within" in drawing.found


def test_a_driver_that_hangs_only_while_it_draws_is_a_note(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setattr("rlhp.film.trial.complaint", lambda program, backend: "it does not respond within 60 s")
    monkeypatch.setattr(film, "complaint", lambda program, backend: None)  # `import mujoco` works
    (finding,) = doctor._switch()
    assert finding.status == NOTE and "it cannot render on this machine" in finding.found


def test_doctor_itself_runs_whatever_the_switch_says():
    environment = {**os.environ, "MUJOCO_GL": "foo"}
    command = [sys.executable, "-m", "rlhp.cli", "doctor"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert told.returncode == 1 and "foo is unusable" in told.stdout and not told.stderr


def test_games_without_roms_are_named(monkeypatch):
    there = emulator.roms.get_rom_path

    def path(name):
        if name == "qbert":
            raise OSError("The hash of qbert.bin\ndoes not match")
        return None if name == "pong" else there(name)

    monkeypatch.setattr(emulator.roms, "get_rom_path", path)
    (finding,) = doctor._games()
    assert finding.status == NOTE and finding.found == "pong, qbert" and "ale-py" in finding.mend
    with pytest.raises(UserError, match=r"ROM of qbert cannot be read \(The hash of qbert\.bin does not match\).*ale-py"):
        emulator.console(find("qbert"))


def test_this_machine_can_train(capsys):
    assert doctor.main() == 0
    assert "torch" in capsys.readouterr().out
