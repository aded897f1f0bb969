"""The documentation does what it says: its commands compose, its code runs, its site builds without a broken link.

A page that is added to docs/ is covered without a line here. Blocks of code say what they are by their fence: `sh` holds
commands, `python` is executed, a block with a `title` is a file. `<!-- not run: why -->` before a Python block has it compiled
only.
"""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from films import decoded
from hydra import compose, initialize_config_module

from rlhp import cli
from rlhp.cli.settings import fit_parser, play_parser
from rlhp.train.overrides import normalise_overrides, parse_override

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
OWN_TASK = ROOT / "docs" / "your_own_task.md"
BLOCK = re.compile(r"^(<!-- not run: .+ -->\n)?```(\w+)(?: title=\"(\S+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOADED = re.compile(r"<(?:script|img|link|video)[^>]*?(?:src|href)=\"?(https?:[^\" >]+)")  # from another host
INLINE = re.compile(r"`(\w+ [\w./-]+ (?:[^`.]|\.(?!\.\.))+|python [\w./]+)`")  # a command with arguments, none of them "..."
FEWER = (
    (r"total_steps([=:] ?)\d+", r"total_steps\g<1>4096"),
    (r"labels([=:] ?)\d+", r"labels\g<1>20"),
    (r"-\d+-seed1", "-20-seed1"),
)
PARSERS = {"fit": fit_parser, "play": play_parser}  # of commands that take settings besides their options
HELPERS = (
    *("thread_pool", "renamed", "adam", "finite", "errors", "pixels", "precision"),
    *("physics", "render", "perception", "workers", "keys", "atomic", "completion", "durations", "csv_records"),
)
INTERNAL = {"cli", "doctor", *HELPERS}  # modules that the reference leaves out
CONFIGS = {"train": "config", "fit": "fit", "play": "config", "demo": "config"}


def blocks(page: Path, kind: str) -> list[str]:
    return [text for _, language, title, text in BLOCK.findall(page.read_text()) if language == kind and not title]


def lines(page: Path, program: str) -> list[str]:
    """The calls of a program: lines of shell blocks and of indented blocks, and code within a sentence that has arguments."""
    shell = [line for text in blocks(page, "sh") for line in text.replace("\\\n", " ").splitlines()]
    prose = BLOCK.sub("", page.read_text())
    shell += re.findall(r"^    (\S.*)", prose, re.MULTILINE) + INLINE.findall(prose)
    return [line for line in shell if line.startswith(f"{program} ")]


def every(program: str) -> list[object]:
    """A parameter for each line of all pages that calls a program; a line that stands twice is tried once."""
    found = {line: page for page in PAGES for line in lines(page, program)}
    return [pytest.param(page, line, id=f"{page.stem}: {line[:80]}") for line, page in found.items()]


def write_files(page: Path, folder: Path) -> None:
    """The blocks of a page that are files."""
    for _, _, title, text in BLOCK.findall(page.read_text()):
        if title:
            (folder / title).parent.mkdir(parents=True, exist_ok=True)
            (folder / title).write_text(lessened(text))


def lessened(text: str) -> str:
    for pattern, replacement in FEWER:
        text = re.sub(pattern, replacement, text)
    return text


@pytest.fixture(scope="module")
def composer() -> Iterator[None]:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        yield


@pytest.mark.filterwarnings(r"ignore:\s*'hydra/\w+/\w+' is validated:UserWarning")  # launchers are named as Hydra's plugins are
@pytest.mark.parametrize(("page", "line"), every("rlhp"))
def test_commands_can_be_given_so(page: Path, line: str, composer: None, tmp_path: Path) -> None:
    """Settings compose, and commands have the options that a page gives them."""
    _, command, *words = shlex.split(line, comments=True)
    if command in PARSERS:
        _, words = PARSERS[command]().parse_known_args(words)
    if command in CONFIGS:
        write_files(page, tmp_path)
        for settings in combinations(with_folder(words, tmp_path)):
            compose(CONFIGS[command], settings)
    else:
        cli.parser().parse_args([command, *words])


def with_folder(words: list[str], folder: Path) -> list[str]:
    """Overrides alone, as Hydra reads them: a folder of settings is searched by one of them."""
    words = normalise_overrides([word for word in words if word not in ("--help", "--cfg", "job", "-h")])
    if "--config-dir" in words:
        place = words.index("--config-dir")
        words[place : place + 2] = [f"hydra.searchpath=[file://{folder / words[place + 1]}]"]
    return [word for word in words if word not in ("-m", "--multirun")]


def combinations(words: list[str]) -> list[list[str]]:
    """A sweep's combinations in which each value of each setting occurs at least once."""
    values = [_values(word) for word in words]
    longest = max(map(len, values), default=1)
    return [[choices[min(row, len(choices) - 1)] for choices in values] for row in range(longest)]


def _values(word: str) -> list[str]:
    override = parse_override(word)
    if override is None or not override.is_sweep_override():
        return [word]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


@pytest.mark.parametrize(("page", "line"), every("python") + every("make"))
def test_programs_are_there(page: Path, line: str) -> None:
    """A script that a page runs is in the repository, a target in the Makefile."""
    program, name, *_ = shlex.split(line, comments=True)
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert (ROOT / name).is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_extras_are_there(page: Path) -> None:
    """What a page installs besides rlhp is an extra of pyproject.toml."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {name for found in re.findall(r"rlhp\[([\w,]+)\]", page.read_text()) for name in found.split(",")}
    assert named <= extras.keys()


@pytest.mark.parametrize("page", [page for page in PAGES if page != OWN_TASK], ids=lambda page: page.stem)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a page run one after the other, or compile where the page says why they cannot."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for held_back, language, _, text in BLOCK.findall(page.read_text()):
        if language == "python":
            code = compile(text, str(page), "exec")
            if not held_back:
                exec(code, names)


@pytest.mark.slow
def test_bring_your_own_task(tmp_path: Path) -> None:
    write_files(OWN_TASK, tmp_path)
    script = "\n".join(["set -eu", *map(lessened, blocks(OWN_TASK, "sh"))])
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(tmp_path.glob("runs/*/*/finished.json"))) == script.count("rlhp train") == 9
    films = [decoded(film)[0] for film in tmp_path.glob("runs/*/*/*.mp4")]
    assert len(films) == script.count("rlhp film") == 2 and all(len(frames) > 1 and frames.std() > 1 for frames in films)
    assert "the policy is convolutional" in done.stderr


@pytest.fixture(scope="module")
def pages_of_settings() -> ModuleType:
    """The hook that writes the reference of settings."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[docs]'")
    sys.path.insert(0, str(ROOT / "docs" / "hooks"))
    try:
        import settings
    finally:
        sys.path.pop(0)
    return settings


def test_the_reference_has_each_setting(pages_of_settings: ModuleType) -> None:
    page = pages_of_settings.settings_page()
    assert "| `labels` | `700` | answered queries by the end of training |" in page
    assert "| `memory` | `recent` | segments from which queries are made |" in page


def test_each_common_setting_has_a_meaning(pages_of_settings: ModuleType) -> None:
    config = ROOT / "conf" / "config.yaml"
    settings = [*pages_of_settings.chosen(config), *pages_of_settings.settings(config)]
    assert [setting.key for setting in settings if not setting.meaning] == ["hydra/job_logging"]


def test_a_setting_that_several_choices_have_is_explained_once(pages_of_settings: ModuleType) -> None:
    page = pages_of_settings.choices_page()
    a2c = page[page.index('"agent=a2c"') : page.index('"agent=a2c_atari"')]
    assert "| `agent.vf_coef` | `0.5` | weight of the value loss |" in a2c
    assert "| `agent.seed` | `${seed}` | the setting seed |" in a2c


def test_each_choice_says_what_it_is(pages_of_settings: ModuleType) -> None:
    paths = [path for path in (ROOT / "conf").glob("*/**/*.yaml") if path.stem != "none"]
    assert [path for path in paths if not pages_of_settings.summary(path)] == []


@pytest.fixture(scope="module")
def keys(pages_of_settings: ModuleType) -> set[str]:
    """The settings of all yamls."""
    return {setting.key for path in (ROOT / "conf").rglob("*.yaml") for setting in pages_of_settings.settings(path)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_settings_that_a_sentence_names_are_there(page: Path, keys: set[str]) -> None:
    """Such as `agent.gamma` or `query=uniform`; what is in the left column of a translation is another package's."""
    prose = BLOCK.sub("", page.read_text())
    if page.stem == "coming_from":
        prose = re.sub(r"^\| .*? \|", "", prose, flags=re.MULTILINE)
    parts = {key.split(".")[0] for key in keys}
    for name, value in re.findall(r"`([a-z_]\w*(?:[./]\w+)*)(?:=([\w./-]*))?[^`]*`", prose):
        group = ROOT / "conf" / name
        if group.is_dir() and re.fullmatch(r"[a-z][\w/]*\w", value):
            assert value == "null" or (group / f"{value}.yaml").is_file(), f"{name}={value}"
        elif not group.is_dir() and name.split(".")[0] in parts:
            assert any(f"{key}.".startswith(f"{name}.") or name.startswith(f"{key}.") for key in keys), name


def test_a_yaml_becomes_a_table(pages_of_settings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_of_settings, "CONF", tmp_path)
    (tmp_path / "agent").mkdir()
    path = tmp_path / "agent" / "mine.yaml"
    path.write_text(
        "# An agent of mine.\n# More of it.\ndefaults:\n  - network: small # or large\n_target_: mine.Agent\n"
        "# of the optimiser\nrate:\n  start: 0.1 # falls to 0\nhidden:\n  - 64\n  - 64\n"
    )
    made = pages_of_settings.Setting
    assert pages_of_settings.summary(path) == "An agent of mine."
    assert pages_of_settings.chosen(path) == [made("agent/network", "small", "or large")]
    assert pages_of_settings.settings(path) == [
        made("agent.rate.start", "0.1", "falls to 0"),
        made("agent.hidden", "[64, 64]", ""),
    ]


def test_each_module_is_in_the_api_reference_or_internal() -> None:
    layers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]["layers"]
    modules = {f"rlhp.{name}" for layer in layers for name in layer.split(" | ")}
    pages = "".join(page.read_text() for page in (ROOT / "docs" / "reference" / "api").glob("*.md"))
    shown = set(re.findall(r"^::: (\S+)", pages, re.MULTILINE))
    assert modules - shown == {f"rlhp.{name}" for name in INTERNAL}


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    """Strictly: no page, link, anchor or documented object is missing."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    loaded = [
        re.findall(r"<(?:script|img|link|video)[^>]*?(?:src|href)=\"?(https?:[^\" >]+)", page.read_text()) for page in pages
    ]
    assert pages and not [address for found in loaded for address in found]
    picture = Path("experiments", "figure2", "figure2.png")
    assert (tmp_path / picture).read_bytes() == (ROOT / picture).read_bytes()
