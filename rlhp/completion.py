"""Shell completion: the script for a shell, and the settings that the script asks for."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

SHELLS = ("bash", "zsh", "fish")
CONFIGS = {"demo": "config", "train": "config", "play": "config", "fit": "fit"}  # commands with settings, and their yaml
GROWING = ("total_steps=", "labels=")  # what `rlhp extend` takes
NESTED = ("experiment",)  # groups whose choices lie in folders, as experiment=ablation/target
FOLDERS = ("RUN", "RUNS", "FOLDER", "DIR")  # arguments that are folders; other paths are files

BASH = """\
# bash ends a word at each `=`: the setting is read from the line, and what stands before its last `=` is left out.
_rlhp_settings() {
  local line=${COMP_LINE:0:COMP_POINT} kept= each
  local typed=${line##*[[:space:]]}
  [[ $typed == *=* && $COMP_WORDBREAKS == *=* ]] && kept=${typed%=*}=
  "${COMP_WORDS[0]}" completion --settings "$line" 2>/dev/null | while IFS= read -r each; do
    printf '%s\\n' "${each#"$kept"}"
  done
}"""
BASH_END = """
# A setting goes on after `=`, `.` and `/`: no space follows.
_rlhp() {
  _shtab_rlhp "$@"
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=./] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -o bashdefault -F _rlhp rlhp
"""
ZSH = """\
_rlhp_settings() {
  local -a found
  found=(${(f)"$(rlhp completion --settings "rlhp $1 ${(j: :)words[1,CURRENT]}" 2>/dev/null)"})
  compadd -Q -S '' -- $found
}"""


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The completion script of a shell, one of `SHELLS`, for the commands, options and settings of a parser."""
    import shtab

    for name, command in commands(parser).items():
        if name in ("demo", "train", "fit"):
            _add_options(command)
        command.description = None  # shells show the short help of a command
        _complete_paths(command, shtab.FILE, shtab.DIRECTORY)
        if name in (*CONFIGS, "extend"):
            _complete_settings(command, name)
    return shtab.complete(parser, shell) + (BASH_END if shell == "bash" else "")


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of its commands, by their names."""
    (found,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(found.choices)


def _complete_paths(command: argparse.ArgumentParser, file: Any, folder: Any) -> None:
    for action in command._actions:
        if action.type is Path:
            _set(action, folder if action.metavar in FOLDERS else file)


def _add_options(command: argparse.ArgumentParser) -> None:
    """Hydra's options that one trains with."""
    command.add_argument("-m", "--multirun", action="store_true", help="a sweep: every combination")
    command.add_argument("--cfg", choices=("job", "hydra", "all"), help="print the settings, train nothing")
    command.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with groups of settings of your own")


def _complete_settings(command: argparse.ArgumentParser, name: str) -> None:
    """Have the last arguments of a command completed as settings; Hydra reads them, and not this parser."""
    command._actions[:] = [action for action in command._actions if action.metavar != "KEY=VALUE"]
    rest = command.add_argument("settings", nargs=argparse.REMAINDER, metavar="KEY=VALUE", help="a setting")
    asked = "(rlhp completion --settings (commandline -cp))"  # without quotes: shtab puts it between some
    preamble = {"bash": BASH, "zsh": ZSH}
    _set(rest, {"bash": "_rlhp_settings", "zsh": f" _rlhp_settings {name}", "fish": asked, "preamble": preamble})


def _set(action: argparse.Action, how: Any) -> None:
    action.complete = how  # type: ignore[attr-defined]  # where shtab looks for it


def settings(line: str) -> list[str]:
    """Completions of the last word of a command line, each the whole word; empty where the command takes no settings.

    Keys are completed level by level, groups to the names of their choices, and values to the present value.
    """
    words = line.split()
    typed = "" if line[-1:].isspace() else words.pop() if words else ""
    command = next((word for word in words if word in (*CONFIGS, "extend")), None)
    if command is None:
        return []
    given = [*(["experiment=demo"] if command == "demo" else []), *(word for word in words if "=" in word)]
    return sorted({word for word in _candidates(command, given, typed) if word.startswith(typed)})


def _candidates(command: str, given: Sequence[str], typed: str) -> Iterable[str]:
    if command == "extend":
        return GROWING
    key, equals, value = typed.partition("=")
    choices = groups()
    if not equals:
        return (*(f"{group}=" for group in choices), *_below(_composed(CONFIGS[command], given), key))
    if key in choices:
        others, comma, _ = value.rpartition(",")  # of a sweep
        return (f"{key}={others}{comma}{name}" for name in choices[key])
    found = _at(_composed(CONFIGS[command], given), key.split("."))
    return () if isinstance(found, dict) or found is None else (f"{key}={_written(found)}",)


def _composed(config: str, given: Sequence[str]) -> dict[str, Any]:
    """All settings, unresolved, with as many of the given overrides as can be composed; empty where nothing can."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    choices = [word for word in given if "," not in word and word.partition("=")[0] in groups()]
    with hydra.initialize_config_module("rlhp.conf", version_base="1.3"):
        for overrides in (given, choices, ()):
            try:
                found = OmegaConf.to_container(hydra.compose(config, [*overrides]), resolve=False)
            except (HydraException, OmegaConfBaseException):
                continue
            return {str(name): value for name, value in found.items()} if isinstance(found, dict) else {}
    return {}


def _at(settings: Any, path: Sequence[str]) -> Any:
    for name in path:
        settings = settings.get(name) if isinstance(settings, dict) else None
    return settings


def _below(settings: dict[str, Any], key: str) -> list[str]:
    """The keys on the level of a dotted key: those with settings below them end with a dot, the others with `=`."""
    above, dot, _ = key.rpartition(".")
    found = _at(settings, above.split(".")) if dot else settings
    names = found.items() if isinstance(found, dict) else ()
    return [f"{above}{dot}{name}{'.' if isinstance(value, dict) else '='}" for name, value in names if name[:1] != "_"]


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def groups() -> dict[str, list[str]]:
    """The names in each group of the configuration, sorted."""
    found: dict[str, list[str]] = {}

    def walk(folder: Traversable, group: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir() and not entry.name.startswith("_"):
                walk(entry, f"{group}/{entry.name}".strip("/"))
            elif group and entry.name.endswith(".yaml"):
                top, _, below = group.partition("/")
                nested = f"{below}/" if below and top in NESTED else ""
                found.setdefault(top if nested else group, []).append(nested + entry.name.removesuffix(".yaml"))

    walk(files("rlhp.conf"), "")
    found["hydra/launcher"] = sorted([*found["hydra/launcher"], "joblib"])  # which a Hydra plugin defines
    return dict(sorted(found.items()))
