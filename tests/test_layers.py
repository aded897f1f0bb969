"""The layers and fences of pyproject.toml, that the wheel knows every package, and that experiments know every name."""

import ast
import tomllib
from importlib import import_module
from importlib.util import find_spec
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


def test_what_experiments_import_is_there():
    """They run for hours or need peers, so that the tests run only some of them."""
    missing = []
    for file in (ROOT / "experiments").glob("*/*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rlhp"):
                names = (alias.name for alias in node.names)
                missing += [f"{file.parent.name}/{file.name}: {node.module}.{n}" for n in names if not there(node.module, n)]
    assert not missing


def there(module, name):
    return hasattr(import_module(module), name) or find_spec(f"{module}.{name}") is not None
