"""Keys: an annotator's link acts for that annotator alone, and the owner's for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi.testclient import TestClient
from pages import filmed, make_run
from test_web import AUTH, HOST, TOKEN, answers, room, served_app

from rlhp.run import Bearer, Served, annotators_of, bearer, key_of, links
from rlhp.types import UserError

ADA, BOB = ({"authorization": f"Bearer {key_of(TOKEN, name)}"} for name in ("ada", "bob"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=4))


@pytest.fixture
def client(run: Path):
    with TestClient(served_app(room(run)), base_url=HOST) as client:
        yield client


def ask(client: TestClient, name: str, headers: dict, **more: Any):
    return client.post("/api/next", json={"annotator": name, "count": 1, **more}, headers=headers)


def test_a_key_is_the_hmac_of_a_name() -> None:
    # printf ada | openssl dgst -sha256 -hmac secret -binary | head -c 18 | basenc --base64url
    assert key_of("secret", "ada") == "ada~PDBIYUDif2-LCepp2ipspxi8"


@pytest.mark.parametrize("name", ["ada", "a.b-c_1", "Žofie", "日本", "x" * 40])
def test_a_key_tells_whose_it_is_and_fits_into_a_header(name: str) -> None:
    key = key_of(TOKEN, name)
    assert key.isascii() and bearer(TOKEN, ["wrong", key]) == Bearer(name)
    assert bearer(TOKEN, [TOKEN]) == Bearer() and Bearer().owns and not Bearer(name).owns


@pytest.mark.parametrize(
    "key",
    ["", "~", "ada", "ada~", key_of("another token", "ada"), key_of(TOKEN, "ada").replace("ada", "bob"), 
     key_of(TOKEN, "ada")[:-1], f"~{key_of(TOKEN, '')[1:]}", f"ada~{TOKEN}", f"{TOKEN}~"],
)  # fmt: skip
def test_what_is_no_key(key: str) -> None:
    assert bearer(TOKEN, [key]) is None


def test_a_link_holds_the_key_and_not_the_token() -> None:
    page = Served("127.0.0.1", 8321, TOKEN, 1, beside=False)
    link = urlsplit(page.address("Žofie"))
    assert parse_qs(link.query) == {"annotator": ["Žofie"], "token": [key_of(TOKEN, "Žofie")]}
    assert TOKEN not in page.address("Žofie") and page.address() == f"http://127.0.0.1:8321/?token={TOKEN}"
    assert (
        Served("::", 80, "t", 1, False, root="/runs/a b").address(path="/labels")
        == "http://127.0.0.1:80/runs/a%20b/labels?token=t"
    )
    assert Served("::", 80, "t", 1, False, public="https://x.org/y").address() == "https://x.org/y/?token=t"


def test_nobody_answers_or_undoes_as_another(client: TestClient, run: Path) -> None:
    pair = ask(client, "ada", ADA).json()["questions"][0]
    said = {**pair, "value": "left", "seen": 2.0}
    assert client.post("/api/answer", json={"annotator": "ada", **said}, headers=BOB).status_code == 403
    assert client.post("/api/answer", json={"annotator": "ada", **said}, headers=ADA).json()["outcome"] == "kept"
    undo = {"annotator": "ada", "query": pair["query"], "round": 0}
    refused = client.post("/api/undo", json=undo, headers=BOB)
    assert refused.status_code == 403 and refused.json()["detail"] == "this link is for bob only: open your own link"
    assert [row[1] for row in answers(run)] == ["human:ada"]
    assert client.post("/api/undo", json=undo, headers=ADA).json()["undone"] is True


@pytest.mark.parametrize("named", ["bob", "ADA", "", None, ["ada"], 1])
def test_a_key_goes_with_its_name(client: TestClient, named: Any) -> None:
    assert ask(client, named, ADA).status_code == 403
    assert ask(client, "ada", ADA).status_code == 200


def test_of_two_names_neither_may_be_another_s(client: TestClient) -> None:
    for body in (b'{"annotator": "ada", "annotator": "bob"}', b'{"annotator": "bob", "count": 1}'):
        assert client.post("/api/next", content=body, headers={**ADA, "content-type": "application/json"}).status_code == 403
    for names in ("annotator=bob", "annotator=ada&annotator=bob", "annotator=bob&annotator=ada", "annotator="):
        assert client.get(f"/api/state?{names}", headers=ADA).status_code == 403
    assert client.get("/api/state?annotator=ada", headers=ADA).status_code == 200


def test_the_owner_acts_under_any_name(client: TestClient) -> None:
    assert ask(client, "ada", AUTH).status_code == ask(client, "bob", AUTH).status_code == 200


def test_a_wrong_key_opens_nothing(client: TestClient) -> None:
    wrong = {"authorization": f"Bearer {key_of('guessed', 'ada')}"}
    assert ask(client, "ada", wrong).status_code == client.get("/api/state?annotator=ada", headers=wrong).status_code == 401


def test_the_page_of_an_annotator_does_not_hold_the_owner_s_token(client: TestClient) -> None:
    key = key_of(TOKEN, "ada")
    for page in ("/", "/labels"):
        html = client.get(page, params={"annotator": "ada", "token": key}).text
        assert ".js" in html and TOKEN not in html and key not in html


def test_an_annotator_s_link_changes_nothing_by_itself(client: TestClient) -> None:
    body = {"annotator": "ada", "count": 1}
    assert client.post(f"/api/next?token={key_of(TOKEN, 'ada')}", json=body).status_code == 401


def test_a_name_beyond_ascii_has_a_key_that_works(client: TestClient) -> None:
    headers = {"authorization": f"Bearer {key_of(TOKEN, 'Žofie')}"}
    assert ask(client, "Žofie", headers).status_code == 200 and ask(client, "Zofie", headers).status_code == 403


def test_links_are_listed_the_owner_s_first() -> None:
    page = Served("127.0.0.1", 8321, TOKEN, 1, beside=False)
    assert links(page, []) == [page.address()]
    owner, ada = links(page, ["ada"])
    assert owner == f"(owner): {page.address()}" and ada == f"ada:     {page.address('ada')}"


def test_annotators_are_named_in_the_settings_and_beside_them() -> None:
    assert annotators_of({"page": {"annotators": ["ada", "bob"]}}, ["bob", "eve"]) == ["ada", "bob", "eve"]
    assert annotators_of({"page": {"annotators": "ada"}}) == ["ada"] and annotators_of({"page": None}) == annotators_of({}) == []
    with pytest.raises(UserError, match="'a b' is not a valid annotator name: use up to 40"):
        annotators_of({"page": {"annotators": ["a b"]}})
