"""`/labels`: everybody's figures and links for the owner of a run, and one's own for an annotator."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pages import make_run
from test_keys import ADA
from test_predictions import with_store
from test_web import AUTH, HOST, TOKEN, room, served_app

from rlhp.answers import over_time
from rlhp.answers.over_time import moving, thinned
from rlhp.run import key_of
from rlhp.run.predictions import Prediction, add_predictions
from rlhp.store import Store, judged, times
from rlhp.web.pages import HTML, STATIC


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Thirty questions, of which ada answers 25 as r-hat predicts them but for the last two, and bob three."""
    run = make_run(tmp_path / "run", questions=30, page={"annotators": ["eve"]})
    for query in range(25):
        with_store(run, {query: (0, 1) if query < 23 else (1, 0)}, "ada")
    with_store(run, {query: (0, 1) for query in (27, 28, 29)}, "bob")
    add_predictions(run, [Prediction(64, query, (1.0, 0.0)) for query in range(30)])
    return run


@pytest.fixture
def client(run: Path):
    with TestClient(served_app(room(run, annotators=["fay"])), base_url=HOST) as client:
        yield client


def test_an_annotator_sees_their_own_figures_alone(client: TestClient) -> None:
    mine = client.get("/api/labels", headers=ADA).json()
    assert mine["whose"] == "ada" and mine["head"] == "run: 25 answers to 25 questions"
    assert [row[0] for table in mine["tables"] for row in table["rows"]] == ["ada"]
    assert [line["name"] for drawn in mine["curves"] for line in drawn["lines"]] == ["ada", "ada"]
    assert "bob" not in client.get("/api/labels", headers=ADA).text


def test_the_owner_sees_everybody_s(client: TestClient) -> None:
    all_of_them = client.get("/api/labels", headers=AUTH).json()
    assert all_of_them["whose"] is None and all_of_them["head"] == "run: 28 answers to 28 questions"
    assert [[line["name"] for line in drawn["lines"]] for drawn in all_of_them["curves"]] == [["ada", "bob"], ["ada"]]


def test_who_has_not_answered_sees_nothing_yet(client: TestClient) -> None:
    eve = {"authorization": f"Bearer {key_of(TOKEN, 'eve')}"}
    assert client.get("/api/labels", headers=eve).json()["head"] == "run: no answers yet"


def test_curves_count_answers_and_follow_how_many_are_predicted(run: Path) -> None:
    database = Store(run / "preferences.sqlite").database
    answers, predicted = over_time(run, judged(database, "ada"), times(database, "ada"))
    assert [value for _, value in answers.lines[0].points] == [float(n) for n in range(1, 26)] and not answers.share
    assert [value for _, value in predicted.lines[0].points] == [1.0, 1.0, 1.0, 1.0, 0.95, 0.9] and predicted.share is True
    given = [time for time, _ in answers.lines[0].points]
    assert given == sorted(given) and over_time(run, [], {}) == ()


def test_a_moving_mean_and_a_line_that_is_thinned() -> None:
    assert moving([(1.0, 1.0), (2.0, 0.0), (4.0, 0.5)], window=2) == [(2.0, 0.5), (4.0, 0.25)]
    line = [(float(i), float(i)) for i in range(100)]
    assert [time for time, _ in thinned(line, 4)] == [0.0, 33.0, 66.0, 99.0] and thinned(line[:3], 4) == tuple(line[:3])


def test_the_owner_gets_the_links_of_those_who_are_named_and_those_who_answer(client: TestClient) -> None:
    links = client.get("/api/links", params={"more": ["Žofie", "bob"]}, headers=AUTH).json()
    assert [link["annotator"] for link in links] == ["eve", "fay", "ada", "bob", "Žofie"]
    assert all(link["key"] == key_of(TOKEN, link["annotator"]) for link in links)
    key = links[-1]["key"]
    assert client.get("/api/state", params={"annotator": "Žofie", "token": key}).status_code == 200


def test_nobody_else_gets_links_and_what_is_no_name_has_none(client: TestClient) -> None:
    assert client.get("/api/links", headers=ADA).status_code == 403 and client.get("/api/links").status_code == 401
    assert client.get("/api/links?more=a%20b", headers=AUTH).status_code == 422


def test_the_page_leads_back_and_its_addresses_are_relative(client: TestClient) -> None:
    html = client.get("/labels", params={"token": TOKEN}).text
    assert 'href="./"' in html
    for file in (HTML / "labels.html", *STATIC.rglob("*.js"), *STATIC.rglob("*.css")):
        assert not re.search(r"""(?:href|src)="/|from "/|fetch\(["'`]/|url\(/""", file.read_text())
