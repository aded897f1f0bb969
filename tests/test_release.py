"""What a release tells about itself: one version everywhere, a citation, a changelog, and continuous integration."""

import os
import re
from pathlib import Path

import pytest
import yaml

from rlhp import __version__, cli, completion, renamed, store
from rlhp.run import checkpoint

ROOT = Path(__file__).parents[1]
TEXTS = {"title", "message", "version", "license", "abstract"}


@pytest.fixture(scope="module")
def citation() -> dict:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text())


def test_the_citation_has_what_its_schema_requires(citation: dict) -> None:
    """Citation File Format 1.2.0: four keys, and of each reference authors, title and type."""
    assert citation["cff-version"] == "1.2.0" and citation["authors"] and {"message", "title"} <= citation.keys()
    assert all(isinstance(citation[name], str) for name in TEXTS) and citation["type"] == "software"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", citation["date-released"])
    for reference in citation["references"]:
        assert {"authors", "title", "type"} <= reference.keys()
        assert all({"family-names", "given-names"} <= author.keys() for author in reference["authors"])
    assert all("name" in author or "family-names" in author for author in citation["authors"])


def test_the_paper_is_among_the_references(citation: dict) -> None:
    (paper,) = citation["references"]
    assert [author["family-names"] for author in paper["authors"]] == ["Christiano", "Leike", "Brown", "Martic", "Legg", "Amodei"]
    assert paper["year"] == 2017 and paper["url"].endswith("1706.03741")


def headings() -> list[str]:
    return re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_citation_and_changelog_are_of_this_version(citation: dict) -> None:
    versions = [heading for heading in headings() if heading.startswith("[")]
    assert citation["version"] == __version__
    assert versions[:2] == ["[Unreleased]", f"[{__version__}] - {citation['date-released']}"]


def test_the_changelog_has_the_sections_of_keep_a_changelog() -> None:
    kinds = re.findall(r"^### (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert kinds and {*kinds} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_names_the_schema_and_the_format_that_are_written() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert f"schema version (now {store.VERSION})" in text and f"its format (now {checkpoint.FORMAT})" in text


def test_the_changelog_tells_old_and_present_names_of_commands_groups_and_choices() -> None:
    told = (ROOT / "CHANGELOG.md").read_text().partition("### Deprecated")[2]
    renames = {
        **renamed.COMMANDS,
        **renamed.GROUPS,
        **{old: new for each in renamed.VALUES.values() for old, new in each.items()},
    }
    assert [name for rename in renames.items() for name in rename if name not in told] == []


def test_containers_run_commands_that_there_are() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert {service["command"].split()[0] for service in services.values()} <= {*completion.commands(cli.parser())}


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", ".gitlab-ci.yml"])
def test_continuous_integration_runs_every_check(name: str) -> None:
    jobs = yaml.safe_load((ROOT / name).read_text())
    steps = [line for job in jobs.get("jobs", jobs).values() for line in job.get("script") or job.get("steps")]
    assert ".ci/run" in [step if isinstance(step, str) else step.get("run") for step in steps]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
