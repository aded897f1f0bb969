"""Pages of the reference made from conf/: every setting with its default and its comment, every choice of every group."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

CONF = Path(__file__).parents[2] / "conf"
COMMENT = re.compile(r"[ \t:]*#[ \t]*(.*)")
SENTENCE = re.compile(r"(?<=\.)\s(?=[A-Z])|(?<![,.;])\n(?=[A-Z][a-z]+ )")  # where one ends, or a command that ends a line
PACKAGE = re.compile(r"# @package (\S+)")
FOLLOWS = re.compile(r"\$\{([\w.]+)\}")  # a default that is another setting's value
INTERNAL = ("defaults", "_target_", "_partial_")  # what a part is built of, not what a user sets

SETTINGS = """\
# Settings

Every setting of `rlhp train`, with its default. `KEY=VALUE` on the command line overrides it; `rlhp train --cfg job` prints
all of them for a given command. Defaults in `${{...}}` follow another setting. This page is made from `conf/`.

## Groups

`GROUP=NAME` chooses one of the [choices](choices.md) of a group, and with it all of that choice's settings.

{groups}

## Common settings

{common}

## Atari games

What all games have in common; `env=pong` and its like start from these.

{atari}

## Settings of `rlhp fit`

{fit}
"""
CHOICES = """\
# Choices

The choices of every group: `rlhp train GROUP=NAME`. Unfold a choice to see the settings that it brings along; each can be
overridden. A [group of your own](../extend.md) works in the same way. This page is made from `conf/`.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A line of a table."""

    key: str  # as on the command line, such as agent.gamma, or agent/network for a group
    default: str  # as the yaml has it
    meaning: str  # the comment beside it; empty where there is none


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the two pages."""
    for name, text in (("settings", settings_page()), ("choices", choices_page())):
        files.append(File.generated(config, f"reference/{name}.md", content=text))
    return files


def settings_page() -> str:
    """The page of the settings that are no part's own, in Markdown."""
    return SETTINGS.format(
        groups=_table([group for group in chosen(CONF / "config.yaml") if not group.key.startswith("hydra")], "group"),
        common=_table(settings(CONF / "config.yaml")),
        atari=_table(settings(CONF / "atari.yaml")),
        fit=_table(settings(CONF / "fit.yaml")),
    )


def choices_page() -> str:
    """The page of the choices of every group, in Markdown."""
    return CHOICES + "".join(_group(name) for name in _groups())


def settings(path: Path) -> list[Setting]:
    """The settings of a yaml in its order, without Hydra's own."""
    text = path.read_text()
    root, lines = yaml.compose(text), text.splitlines()
    found = _settings(root, lines, _prefix(path, text)) if isinstance(root, yaml.MappingNode) else ()
    return [setting for setting in found if not setting.key.startswith("hydra.") or path.parts[-3] == "hydra"]


def chosen(path: Path) -> list[Setting]:
    """The groups that a yaml chooses from, and its choices."""
    text = path.read_text()
    root = yaml.compose(text)
    top = root.value if isinstance(root, yaml.MappingNode) else []
    lists = [value for key, value in top if key.value == "defaults"]
    return [setting for value in lists for setting in _chosen(value, text.splitlines(), _group_of(path))]


def summary(path: Path) -> str:
    """The first sentence of a yaml's opening comment."""
    lines = [line[2:] for line in _opening(path) if not line.startswith("#  ")]
    return SENTENCE.split("\n".join(lines))[0].replace("\n", " ")


def _groups() -> list[str]:
    folders = {path.parent.relative_to(CONF).as_posix() for path in CONF.rglob("*.yaml")}
    return sorted(folders - {"."})


def _group(name: str) -> str:
    paths = sorted((CONF / name).glob("*.yaml"))
    rows = [f"| `{path.stem}` | {_cell(summary(path))} |" for path in paths]
    found = [f"\n## `{name}`\n", "| choice | meaning |", "|---|---|", *rows, ""]
    return "\n".join([*found, *(_details(name, path) for path in paths)]) + "\n"


def _details(name: str, path: Path) -> str:
    """A block that unfolds to all that a choice says and sets; empty where it sets nothing."""
    table = _table([_explained(setting) for setting in chosen(path) + settings(path)])
    if not table:
        return ""
    words = "\n".join(_opening(path)).replace("# ", "").replace("#", "")
    body = f"{_prose(words)}\n\n{table}"
    return f'??? note "{name}={path.stem}"\n\n' + "\n".join(f"    {line}" if line else "" for line in body.splitlines()) + "\n"


def _explained(setting: Setting) -> Setting:
    """One without a comment has that of the same setting in another yaml, or names the setting that it follows."""
    follows = FOLLOWS.fullmatch(setting.default)
    otherwise = f"the setting {follows.group(1)}" if follows else ""
    return setting if setting.meaning else replace(setting, meaning=_meanings().get(setting.key, otherwise))


@cache
def _meanings() -> dict[str, str]:
    """The first comment that a setting has anywhere."""
    found = [setting for path in sorted(CONF.rglob("*.yaml")) for setting in settings(path) if setting.meaning]
    return {setting.key: setting.meaning for setting in reversed(found)}


def _prose(words: str) -> str:
    """A comment as Markdown: indented lines, which hold commands or columns, keep their shape."""
    blocks: list[str] = []
    for line in words.splitlines():
        if line.startswith(" "):
            start = "\n\n" if blocks and not blocks[-1].startswith("\n    ") and not blocks[-1].startswith("    ") else "\n"
            blocks.append(f"{start}    {line.strip()}")
        else:
            blocks.append(f"\n{line}")
    return "".join(blocks).strip("\n")


def _opening(path: Path) -> list[str]:
    """The comment lines at the top of a yaml, without the one that names the package."""
    lines = []
    for line in path.read_text().splitlines():
        if PACKAGE.match(line):
            continue
        if not line.startswith("#"):
            break
        lines.append(line)
    return lines


def _group_of(path: Path) -> str:
    group = path.parent.relative_to(CONF).as_posix()
    return "" if group == "." else group


def _prefix(path: Path, text: str) -> str:
    """What stands before the yaml's keys on the command line: its package, by default its folder."""
    package = PACKAGE.search(text)
    name = package.group(1) if package else _group_of(path).replace("/", ".")
    return "" if name in ("", "_global_") else f"{name}."


def _settings(node: yaml.MappingNode, lines: list[str], prefix: str, meaning: str = "") -> Iterator[Setting]:
    """What has no comment of its own has that of the setting that it belongs to."""
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        if key.value in INTERNAL:
            continue
        elif isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
            yield from _settings(value, lines, f"{name}.", _beside(lines, key) or meaning)
        else:
            words = _above(lines, key.start_mark.line) + _beside(lines, value)
            yield Setting(name, _source(value), words or meaning)


def _chosen(defaults: yaml.Node, lines: list[str], group: str) -> Iterator[Setting]:
    """The groups of a defaults list, and what is chosen of each."""
    for entry in defaults.value:
        if isinstance(entry, yaml.MappingNode):
            key, value = entry.value[0]
            name = re.sub(r"^(override|optional) ", "", key.value)
            absolute = name.startswith("/") or not group or key.value.startswith("override ")
            yield Setting(name.lstrip("/") if absolute else f"{group}/{name}", _source(value), _beside(lines, value))


def _source(node: yaml.Node) -> str:
    """A value in one line, as it can be written on the command line."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value) if node.value or node.style else "null"
    text = yaml.serialize(node, width=10_000) if node.flow_style else _flowing(node)
    return re.sub(r"\s+", " ", text).strip()


def _flowing(node: yaml.Node) -> str:
    plain = yaml.safe_load(yaml.serialize(node))
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000)


def _beside(lines: list[str], node: yaml.Node) -> str:
    """The comment at the end of a value's last line."""
    mark = node.end_mark if isinstance(node, yaml.ScalarNode) or node.flow_style else node.start_mark
    found = COMMENT.match(lines[mark.line], mark.column) if mark.line < len(lines) else None
    return found.group(1) if found else ""


def _above(lines: list[str], line: int) -> str:
    """The comment lines right above a key within a yaml, as one sentence after the other."""
    start = line
    while start > 0 and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    if start == 0 or any(PACKAGE.match(text) for text in lines[start:line]):
        return ""  # the opening comment is the whole yaml's
    return "".join(f"{text.strip().lstrip('# ')} " for text in lines[start:line])


def _table(rows: list[Setting], first: str = "setting") -> str:
    """A table in Markdown; empty where there are no rows."""
    if not rows:
        return ""
    lines = [f"| `{row.key}` | `{row.default}` | {_cell(row.meaning)} |" for row in rows]
    return "\n".join([f"| {first} | default | meaning |", "|---|---|---|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
