"""The layers and fences of pyproject.toml, and that the wheel knows every package."""

import tomllib
from pathlib import Path

from importlinter import cli

ROOT = Path(__file__).parents[1]


def test_layers_and_fences_hold(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.lint_imports(config_filename="pyproject.toml", no_cache=True) == cli.EXIT_STATUS_SUCCESS


def test_every_package_is_in_the_wheel():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {".".join(file.parent.relative_to(ROOT).parts) for file in (ROOT / "rlhp").rglob("__init__.py")}
    assert set(listed) == there | {"rlhp.conf"}
