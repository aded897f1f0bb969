"""One page for all runs below a folder: the list, a page for each, and who may open what."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest
from fastapi.testclient import TestClient
from pages import ask, filmed, held_port, make_run, start, until
from test_web import HOST, TOKEN, trained

from rlhp.run import Served, announce, key_of, last_served, served, serving
from rlhp.store import labels
from rlhp.types import UserError
from rlhp.web import annotate
from rlhp.web.listen import below
from rlhp.web.options import Options, options_of
from rlhp.web.several import RunServer, create_several, runs_below

OWNER, ADA = ({"authorization": f"Bearer {key}"} for key in (TOKEN, key_of(TOKEN, "ada")))
PAGE = Served("127.0.0.1", 8321, TOKEN, os.getpid(), beside=False)
GIVEN = {"size": 64, "minimum_view": 0.0}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Two runs, one of them a folder deeper."""
    for name, questions in (("a", 2), ("more/b c", 3)):
        filmed(make_run(tmp_path / "study" / name, questions))
    return tmp_path / "study"


@contextmanager
def opened(study: Path, page: Served = PAGE) -> Iterator[tuple[RunServer, TestClient]]:
    runs = RunServer(study, GIVEN, page)
    with TestClient(create_several(runs), base_url=HOST) as client:
        yield runs, client
    runs.close()


def listed(client: TestClient, headers: dict = OWNER) -> dict[str, dict[str, Any]]:
    found = client.get("/api/runs", headers=headers).raise_for_status().json()["runs"]
    return {run["name"]: run for run in found}


def test_runs_are_found_by_their_settings_and_not_below_one_another(study: Path) -> None:
    (study / "a" / "within").mkdir()
    (study / "a" / "within" / "config.yaml").write_text("task: point\n")
    (study / ".hidden").mkdir()
    (study / ".hidden" / "config.yaml").write_text("task: point\n")
    assert runs_below(study) == {"a": study / "a", "more/b c": study / "more" / "b c"}


def test_the_list_tells_where_each_run_stands(study: Path) -> None:
    with opened(study) as (_, client):
        with trained(study / "a"):
            found = listed(client)
        assert [(run["state"], run["waiting"], run["labels"]) for run in found.values()] == [
            ("training", 2, 40),
            ("stopped", 3, 40),
        ]
        ask(make_run(study / "later", questions=0), questions=4, seed=9)
        assert listed(client)["later"]["waiting"] == 4, "runs that appear later are found"
        (study / "a" / "config.yaml").write_text("a: [")
        assert "damaged" in listed(client)["a"]["problem"] and listed(client)["a"]["state"] is None


def test_a_run_is_labelled_below_the_list(study: Path) -> None:
    with opened(study) as (_, client):
        address = listed(client)["more/b c"]["address"]
        assert address.startswith("runs/more/b%20c/?token=")
        key = {"authorization": f"Bearer {parse_qs(urlsplit(address).query)['token'][0]}"}
        html = client.get(f"/{address}")
        assert html.status_code == 200 and 'href="static/page.css"' in html.text
        base = "/runs/more/b%20c"
        dealt = client.post(f"{base}/api/next", json={"annotator": "ada", "count": 1}, headers=key).json()["questions"][0]
        said = {"annotator": "ada", "query": dealt["query"], "round": 0, "clips": dealt["clips"], "value": "left", "seen": 2.0}
        assert client.post(f"{base}/api/answer", json=said, headers=key).json()["outcome"] == "kept"
        assert client.get(f"{base}/labels", headers=key).status_code == 200
        assert client.get(f"{base}/api/clips/{dealt['clips'][0]}", headers=key).headers["content-type"] == "video/mp4"
        assert listed(client)["more/b c"]["waiting"] == 2


def test_an_address_without_its_slash_leads_to_the_page(study: Path) -> None:
    with opened(study) as (_, client):
        answer = client.get("/runs/more/b%20c?token=x", follow_redirects=False)
        assert answer.status_code == 307 and answer.headers["location"] == "b%20c/?token=x"


def test_an_annotator_s_link_leads_to_every_run_under_their_name_alone(study: Path) -> None:
    with opened(study) as (runs, client):
        (address,) = {run["address"] for name, run in listed(client, ADA).items() if name == "a"}
        query = parse_qs(urlsplit(address).query)
        assert query == {"annotator": ["ada"], "token": [key_of(runs.token("a"), "ada")]} and runs.token("a") not in address
        assert client.get("/api/runs", params={"annotator": "bob"}, headers=ADA).status_code == 403
        key = {"authorization": f"Bearer {query['token'][0]}"}
        assert client.post("/runs/a/api/next", json={"annotator": "ada"}, headers=key).status_code == 200
        assert client.post("/runs/a/api/next", json={"annotator": "bob"}, headers=key).status_code == 403
        assert client.post("/runs/a/api/run/pause", headers=key).status_code == 403


def test_the_key_to_one_run_opens_no_other(study: Path) -> None:
    with opened(study) as (runs, client):
        tokens = {runs.token(name) for name in runs_below(study)}
        assert len(tokens | {TOKEN}) == 3
        other = {"authorization": f"Bearer {runs.token('a')}"}
        assert client.get("/runs/more/b%20c/", headers=other).status_code == 401
        assert client.get("/", headers=other).status_code == client.get("/runs/a/", headers=OWNER).status_code == 401


def test_nothing_is_opened_for_those_without_a_key(study: Path) -> None:
    with opened(study) as (_, client):
        assert client.get("/runs/a/").status_code == client.get("/").status_code == 401
        assert client.get("/runs/nowhere/", headers=OWNER).status_code == 404
        assert client.get("/runs/../study/a/", headers=OWNER).status_code in (401, 404)
        assert client.get("/runs/a/static/page.css").status_code == client.get("/static/runs.js").status_code == 200
        assert client.get("/runs/a/static/nothing.css").status_code == 404
        assert served(study / "a") is None, "and the run is nobody's"


def test_a_run_keeps_the_token_of_its_last_page_and_says_where_it_is_now(study: Path) -> None:
    announce(study / "a", Served("127.0.0.1", 9000, "its-own-token", 1, beside=False))
    with opened(study) as (runs, client):
        assert runs.token("a") == "its-own-token"
        assert client.get("/runs/a/?token=its-own-token").status_code == 200
        there = served(study / "a")
        assert there is not None and there.address() == "http://127.0.0.1:8321/runs/a/?token=its-own-token"
    assert served(study / "a") is None and last_served(study / "a") is not None


def test_a_run_that_another_process_serves_stays_its_own(study: Path) -> None:
    own = Served("127.0.0.1", 9000, "its-own-token", os.getpid() + 1, beside=True)
    with serving(study / "a"):
        (study / "a" / "page.lock").write_text(str(own.pid))
        announce(study / "a", own)
        with opened(study) as (_, client):
            assert listed(client)["a"]["address"] == "http://127.0.0.1:9000/?token=its-own-token"
            refused = client.get("/runs/a/?token=its-own-token")
            assert refused.status_code == 503 and "served by another process" in refused.json()["detail"]


def test_a_run_is_closed_when_nobody_has_asked_for_a_while_and_opened_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(study) as (runs, client):
        address = f"/{listed(client)['a']['address']}"
        assert client.get(address).status_code == 200
        monkeypatch.setattr("rlhp.web.several.IDLE", -1.0)
        with trained(study / "a"):
            runs.close_idle()
            assert served(study / "a") is not None, "not while it is in training"
        runs.close_idle()
        assert served(study / "a") is None
        assert client.get(address).status_code == 200 and served(study / "a") is not None


def test_all_are_known_by_the_address_of_a_proxy(study: Path) -> None:
    page = Served("127.0.0.1", 8321, TOKEN, os.getpid(), beside=False, public="https://label.example.org/study")
    with opened(study, page) as (_, client):
        address = f"/{listed(client)['a']['address']}"
        assert client.get(address).status_code == 200
        there = served(study / "a")
        assert there is not None and there.address().startswith("https://label.example.org/study/runs/a/?token=")


def test_behind_a_proxy_the_path_may_be_there_or_not(study: Path) -> None:
    runs = RunServer(study, GIVEN, PAGE)
    with TestClient(below(create_several(runs), "/study"), base_url=HOST) as client:
        key = {"authorization": f"Bearer {runs.token('a')}"}
        for base in ("", "/study"):
            assert client.get(f"{base}/api/runs", headers=OWNER).status_code == 200
            assert client.get(f"{base}/runs/a/api/state?annotator=x", headers=key).json()["run"] == "a"
    runs.close()


def test_two_people_answer_in_two_runs_and_nothing_is_lost_when_the_server_is_killed(study: Path) -> None:
    with held_port() as port:
        process = start(study, "--port", str(port), "--annotator", "ada", log=study / "label.log")
        page = until(lambda: served(study))
        first = [said_by(page, name, run) for name, run in (("ada", "a"), ("bob", "more/b c"))]
        process.kill()
        process.wait()
        assert served(study) is None and served(study / "a") is None, "its runs are nobody's, so that a training may serve them"
        process = start(study, "--port", str(port), log=study / "label.log")
        again = until(lambda: served(study))
        assert again.address("ada") == page.address("ada"), "links stay"
        second = [said_by(again, name, run) for name, run in (("ada", "a"), ("bob", "more/b c"))]
        process.terminate()
        process.wait()
    log = (study / "label.log").read_text()
    assert page.address("ada") in log and "Traceback" not in log
    for run, said in zip(("a", "more/b c"), zip(first, second, strict=True), strict=True):
        assert sorted(label.query for label in labels(study / run / "preferences.sqlite")) == sorted(said)


def said_by(page: Served, name: str, run: str) -> int:
    """The question to which somebody answers, by the link that the list gives them."""
    with httpx.Client(base_url=f"http://127.0.0.1:{page.port}", timeout=30) as client:
        mine = {"authorization": f"Bearer {key_of(page.token, name)}"}
        found = client.get("/api/runs", headers=mine).raise_for_status().json()["runs"]
        address = next(urlsplit(each["address"]) for each in found if each["name"] == run)
        client.headers = {"authorization": f"Bearer {parse_qs(address.query)['token'][0]}"}
        ask_for = {"annotator": name, "count": 1}
        dealt = until(lambda: client.post(f"/{address.path}api/next", json=ask_for).raise_for_status().json()["questions"])[0]
        said = {"annotator": name, **{key: dealt[key] for key in ("query", "round", "clips")}, "value": "left", "seen": 2.0}
        assert client.post(f"/{address.path}api/answer", json=said).raise_for_status().json()["outcome"] == "kept"
        return dealt["query"]


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a run directory"):
        annotate(tmp_path, {})


@pytest.mark.parametrize("public", ["label.example.org", "https://", "https://x/?y", "ftp://x", "https://x/<b>", "https://a b"])
def test_what_is_no_public_address(public: str) -> None:
    with pytest.raises(UserError, match="give the URL of the page at its proxy"):
        options_of({}, {"public": public})


def test_a_public_address_names_a_host_and_a_path() -> None:
    options = options_of({}, {"public": "https://label.example.org:8443/a/"})
    assert options.public == "https://label.example.org:8443/a" and options.root == "/a"
    assert options.hosts is not None and {"label.example.org:8443", "label.example.org", "localhost"} <= options.hosts
    assert Options().root == "" and Options(host="0.0.0.0").hosts is None
