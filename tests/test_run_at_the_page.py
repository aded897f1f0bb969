"""`/api/run`: the run in view, and what its owner, and nobody else, asks of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pages import filmed, make_run
from test_keys import ADA, BOB
from test_predictions import with_store
from test_web import AUTH, HOST, room, served_app, trained

from rlhp.run import Control, ask, control
from rlhp.run.predictions import Prediction, add_predictions
from rlhp.web.file_cache import FileCache
from rlhp.web.run import curve


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=4))


@pytest.fixture
def client(run: Path):
    with TestClient(served_app(room(run)), base_url=HOST) as client:
        yield client


def look(client: TestClient, headers: dict = AUTH, **asked: str) -> dict[str, Any]:
    return client.get("/api/run", params=asked, headers=headers).raise_for_status().json()


def tell(client: TestClient, what: str, headers: dict = AUTH, **body: Any):
    return client.post(f"/api/run/{what}", json=body, headers=headers)


def metrics(run: Path, rows: list[str], columns: str = "step,reward_mean,true_return") -> None:
    (run / "metrics.csv").write_text("\n".join([columns, *rows]) + "\n")


# what is seen


def test_a_run_that_has_not_begun_has_no_curve(client: TestClient) -> None:
    told = look(client)
    assert told["curve"] == [] and told["agreement"] is None and told["paused"] is told["stopping"] is False
    assert told["may_control"] is True and told["labels"] == 40 and told["may_grow"] is None


def test_the_curve_is_of_both_returns_and_an_annotator_sees_r_hat_alone(client: TestClient, run: Path) -> None:
    metrics(run, ["64,,", "128,0.5,10", "192,nan,12.5"])
    assert look(client)["curve"] == [[64, None, None], [128, 10.0, 0.5], [192, 12.5, None]]
    mine = look(client, ADA)
    assert mine["curve"] == [[64, None, None], [128, None, 0.5], [192, None, None]] and mine["may_control"] is False
    metrics(run, ["64,,", "128,0.5,10", "192,1,12.5"])
    assert look(client)["curve"][-1] == [192, 12.5, 1.0], "the table is read again when it has changed"


def test_a_long_curve_is_thinned_and_ends_where_the_run_is(tmp_path: Path) -> None:
    metrics(tmp_path, [f"{step},0,{step}" for step in range(1, 1001)])
    points = curve(tmp_path, FileCache(), true=True, points=5)
    assert [step for step, _, _ in points] == [1, 251, 501, 750, 1000]  # rows 0, 249.75, 499.5, 749.25 and 999, rounded to even
    assert len(curve(tmp_path, FileCache(), true=True)) == 200


def test_a_row_that_is_being_written_is_left_out(run: Path) -> None:
    metrics(run, ["64,0,1"])
    with (run / "metrics.csv").open("a") as file:
        file.write("12")
    assert curve(run, FileCache(), true=True) == [(64, 1.0, 0.0)]


def test_agreement_is_one_s_own_but_for_the_owner_who_may_see_everybody_s(client: TestClient, run: Path) -> None:
    add_predictions(run, [Prediction(10, query, (1.0, 0.0)) for query in range(4)])
    with_store(run, {0: (0, 1), 1: (1, 0)}, "ada")
    assert look(client, ADA)["agreement"]["n"] == 2
    with_store(run, {3: (0, 1)}, "bob")
    seen = [look(client, ADA), look(client, BOB), look(client), look(client, annotator="ada")]
    assert [(told["agreement"]["share"], told["agreement"]["n"]) for told in seen[:2]] == [(0.5, 2), (1.0, 1)]
    assert [told["agreement"]["n"] for told in seen[2:]] == [3, 2]
    assert client.get("/api/run", params={"annotator": "bob"}, headers=ADA).status_code == 403


def test_the_film_is_of_the_newest_question_that_is_filmed(client: TestClient, run: Path) -> None:
    newest = look(client)["film"]
    questions = client.post("/api/next", json={"annotator": "ada", "count": 2}, headers=AUTH).json()["questions"]
    first, second = (question["clips"] for question in questions)
    assert newest.removeprefix("api/clips/") in first and client.get(f"/{newest}", headers=AUTH).status_code == 200
    for clip in first:
        client.app.state.opened().clips.file(clip).unlink()  # type: ignore[attr-defined]
    assert look(client)["film"].removeprefix("api/clips/") in second


# what is asked


def test_the_owner_pauses_a_training_and_has_it_go_on(client: TestClient, run: Path) -> None:
    with trained(run):
        assert tell(client, "pause").json()["paused"] is True and control(run) == Control(paused=True)
        assert client.get("/api/state?annotator=ada", headers=AUTH).json()["state"] == "paused"
        assert tell(client, "resume").json()["paused"] is False and control(run) == Control()


def test_the_owner_stops_a_training(client: TestClient, run: Path) -> None:
    with trained(run):
        told = tell(client, "stop").json()
    assert told["stopping"] is True and control(run).stop
    ask(run, stop=False, stopped=640)  # by the training
    assert look(client)["stopped"] == 640


@pytest.mark.parametrize("what", ["pause", "stop"])
def test_what_does_not_run_is_neither_paused_nor_stopped(client: TestClient, run: Path, what: str) -> None:
    refused = tell(client, what)
    assert refused.status_code == 409 and "no training is running" in refused.json()["detail"]
    assert control(run) == Control()


def test_a_run_that_was_killed_while_it_was_paused_can_be_told_to_go_on(client: TestClient, run: Path) -> None:
    ask(run, paused=True)
    assert look(client)["paused"] is True and tell(client, "resume").json()["paused"] is False


def test_more_labels_are_wanted_at_once_and_asked_by_the_training(client: TestClient, run: Path) -> None:
    assert tell(client, "labels", more=10).json()["labels"] == 50 and tell(client, "labels", more=5).json()["labels"] == 55
    assert control(run) == Control(more=15)
    ask(run, added=((64, 15),))
    (run / "plan.json").write_text(json.dumps({"first_labels": 10, "labels": 55}))  # as the training writes it then
    assert look(client)["labels"] == 55 == client.get("/api/state?annotator=ada", headers=AUTH).json()["labels"]


def test_what_cannot_grow_says_why(client: TestClient, run: Path) -> None:
    (run / "plan.json").write_text(json.dumps({"first_labels": 0, "labels": 0}))
    assert "asks no questions" in tell(client, "labels", more=1).json()["detail"]
    (run / "finished.json").write_text("{}")
    refused = tell(client, "labels", more=1)
    assert refused.status_code == 409 and "rlhp extend" in refused.json()["detail"] == look(client)["may_grow"]
    assert control(run) == Control()


@pytest.mark.parametrize("body", [{}, {"more": 0}, {"more": -1}, {"more": 10**6}, {"more": 1.5}, {"more": 1, "x": 1}])
def test_numbers_of_labels_are_validated(client: TestClient, run: Path, body: dict) -> None:
    assert tell(client, "labels", **body).status_code == 422 and control(run) == Control()


@pytest.mark.parametrize("what", ["pause", "resume", "stop", "labels"])
def test_an_annotator_controls_nothing(client: TestClient, run: Path, what: str) -> None:
    with trained(run):
        refused = tell(client, what, ADA, more=1)
        assert refused.status_code == 403 and "only the owner" in refused.json()["detail"]
        assert client.post(f"/api/run/{what}", json={"more": 1}).status_code == 401
    assert control(run) == Control()
