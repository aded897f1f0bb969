"""The page's application: what it does, what it refuses, and that nobody gets past its guard."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pages import ask, filmed, make_run

from rlhp.run import Served, announce, last_served, served, serving
from rlhp.store import Store, UndoWindow
from rlhp.types import Answer, UserError
from rlhp.web.app import AppState, create
from rlhp.web.auth import LIMIT
from rlhp.web.clip_cache import RenderSettings
from rlhp.web.clip_renderer import ClipRenderer
from rlhp.web.file_cache import changed, read_whole
from rlhp.web.listen import listen
from rlhp.web.options import Options, options_of
from rlhp.web.pages import HTML, STATIC
from rlhp.web.run_status import run_status, settings_of

TOKEN = "a-token-that-nobody-guesses"
AUTH = {"authorization": f"Bearer {TOKEN}"}
HOST = "http://127.0.0.1:8321"
ADDRESSES = [
    *("/", "/labels", "/inspect", "/openapi.json", "/api/state?annotator=annotator-1", "/api/clips/" + "0" * 32),
    *("/api/labels", "/api/links", "/api/inspect", "/api/run?annotator=annotator-1", "/api/history?annotator=annotator-1"),
]
WRITES = ["/api/next", "/api/answer", "/api/undo", "/api/damaged", "/api/flag"]


def room(run: Path, annotators: Sequence[str] = (), now: Callable[[], float] = time.monotonic, **options: Any) -> AppState:
    given = Options(**{"size": 64, "repeats": 0.0, "minimum_view": 0.0, **options})
    return AppState(run, settings_of(run), given, TOKEN, annotators, now)


def served_app(state: AppState) -> FastAPI:
    return create(TOKEN, state.options, lambda: state)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return filmed(make_run(tmp_path / "run", questions=4))


@pytest.fixture
def client(run: Path):
    """Without the token."""
    with TestClient(served_app(room(run)), base_url=HOST) as client:
        yield client


def pairs(client: TestClient, count: int = 3) -> list[dict[str, Any]]:
    return client.post("/api/next", json={"annotator": "annotator-1", "count": count}, headers=AUTH).json()["questions"]


def say(client: TestClient, pair: dict[str, Any], value: Any = "left", **more: Any):
    return client.post(
        "/api/answer", json={"annotator": "annotator-1", **pair, "value": value, "seen": 2.0, **more}, headers=AUTH
    )


def answers(run: Path) -> list[tuple]:
    with Store(run / "preferences.sqlite").database.reading() as db:
        return db.execute("SELECT query, teacher, round, ranks, swapped FROM answer ORDER BY query").fetchall()


# what it does


def test_a_person_labels_to_the_end(client: TestClient, run: Path) -> None:
    assert [pair["query"] for pair in pairs(client, 2)] == [3, 2]
    for choice in ("left", "right", "equal", "unsure"):
        answer = say(client, pairs(client)[0], choice).json()
        assert answer["outcome"] == "kept"
    assert answer["questions"] == [] and answer["mine"] == {
        "answers": 4,
        "per_hour": answer["mine"]["per_hour"],
        "undoable": {"query": 0, "round": 0},
    }
    stored = {query: (json.loads(ranks) if ranks else None, swapped) for query, _, _, ranks, swapped in answers(run)}
    assert stored[0][0] is None and stored[1][0] == [0, 0]
    assert stored[3][0] == ([1, 0] if stored[3][1] else [0, 1]) and stored[2][0] == ([0, 1] if stored[2][1] else [1, 0])


def test_a_clip_is_a_film(client: TestClient) -> None:
    clip = pairs(client)[0]["clips"][0]
    whole = client.get(f"/api/clips/{clip}", headers=AUTH)
    assert whole.status_code == 200 and whole.headers["content-type"] == "video/mp4" and whole.content[4:8] == b"ftyp"


def test_version_and_content_of_a_file_belong_together_though_it_is_replaced_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, other = tmp_path / "clip", tmp_path / "other"
    file.write_bytes(b"old")
    other.write_bytes(b"newer")
    before, status = changed(file), os.fstat
    monkeypatch.setattr(os, "fstat", lambda descriptor: (other.exists() and other.replace(file), status(descriptor))[1])
    assert read_whole(file) == (before, b"old") and read_whole(file) == (changed(file), b"newer")
    file.unlink()
    assert read_whole(file) is None


def report(client: TestClient, clip: str, version: str) -> dict[str, Any]:
    body = {"annotator": "annotator-1", "clip": clip, "version": version}
    return client.post("/api/damaged", json=body, headers=AUTH).raise_for_status().json()


def test_a_damaged_clip_is_filmed_anew_once_and_other_pairs_are_dealt_meanwhile(client: TestClient, run: Path) -> None:
    first, *others = pairs(client)
    clip = first["clips"][0]
    version = client.get(f"/api/clips/{clip}", headers=AUTH).headers["etag"]
    told = report(client, clip, version)
    assert (
        told["refilmed"] is True
        and first not in told["questions"]
        and [*others] == told["questions"][:2]
        and len(told["questions"]) == 3
    )
    assert client.get(f"/api/clips/{clip}", headers=AUTH).status_code == 404
    assert report(client, clip, version)["refilmed"] is True, "by somebody else, who has the damaged one too"
    filmed(run)
    assert pairs(client)[0] == first, "it comes back, to the person who held it"
    again = client.get(f"/api/clips/{clip}", headers=AUTH)
    assert again.headers["etag"] != version and "max-age" not in again.headers["cache-control"]
    assert report(client, clip, version)["refilmed"] is True, "the new one is not thrown away for the old one's fault"
    told = report(client, clip, again.headers["etag"])
    assert told["refilmed"] is False and told["questions"][0] == first, "filming once more would not help"


def test_a_clip_that_was_discarded_is_noticed_by_the_filmer(run: Path) -> None:
    with closing(ClipRenderer(run, RenderSettings("point", 64, "h264"), overlap=1)) as filmer:
        assert filmer.next() is None
        (run / "clips" / "other").touch()  # so that the folder's time is another one, whatever the clock's resolution
        next((run / "clips").glob("*.mp4")).unlink()
        assert filmer.next() is not None


def test_only_what_is_filmed_is_dealt(run: Path, client: TestClient) -> None:
    for file in (run / "clips").iterdir():
        file.unlink()
    assert pairs(client) == []


def test_a_clip_is_looked_for_once_while_pairs_are_dealt(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[frozenset[str]] = []

    def ready(clips: Sequence[str]) -> bool:
        asked.append(frozenset(clips))
        return len(asked) > 1  # not the first

    here = room(run)
    monkeypatch.setattr(here.clips, "ready", ready)
    assert len(here.assign("annotator-1", 2).questions) == 2 and len(asked) == len(set(asked)) == 3
    assert len(here.assign("annotator-1", 3).questions) == 3 and len(asked) == 6, "what was not there may have come since"


def test_undo(client: TestClient, run: Path) -> None:
    first = pairs(client)[0]
    undoable = say(client, first).json()["mine"]["undoable"]
    for _ in range(2):
        undone = client.post("/api/undo", json={"annotator": "annotator-1", **undoable}, headers=AUTH).json()
        assert undone["undone"] is True and undone["questions"][0] == first
    assert answers(run) == []
    say(client, first)
    Store(run / "preferences.sqlite", rest=UndoWindow(0)).collect(5)
    late = client.post("/api/undo", json={"annotator": "annotator-1", **undoable}, headers=AUTH).json()
    assert late["undone"] is False and late["mine"]["undoable"] is None and len(answers(run)) == 1


def test_an_answer_sent_twice_counts_once(client: TestClient, run: Path) -> None:
    pair = pairs(client)[0]
    assert say(client, pair).json()["outcome"] == say(client, pair).json()["outcome"] == "kept"
    assert len(answers(run)) == 1


def test_an_answer_to_what_is_gone(client: TestClient, run: Path) -> None:
    pair = pairs(client)[0]
    swapped = {**pair, "clips": pairs(client)[1]["clips"]}
    assert say(client, swapped).json()["outcome"] == "gone" and answers(run) == []
    assert say(client, {**pair, "query": 10**6}).json()["outcome"] == "gone"


def test_a_pair_is_to_be_looked_at(run: Path) -> None:
    with TestClient(served_app(room(run, minimum_view=1.0)), base_url=HOST) as client:
        hasty = say(client, pairs(client)[0], seen=0.9)
        assert hasty.status_code == 422 and "at least 1 seconds" in hasty.json()["detail"]
        assert say(client, pairs(client)[0], seen=1.0).json()["outcome"] == "kept"


def test_where_the_run_stands(client: TestClient, run: Path) -> None:
    (run / "clock.csv").write_text("step,wall_s\n128,1.5\n256,3\n38")  # the last row was cut by a kill
    say(client, pairs(client)[0])
    state = client.get("/api/state?annotator=annotator-1", headers=AUTH).json()
    assert (state["task"], state["state"], state["step"], state["total_steps"]) == ("point", "stopped", 256, 1000)
    assert (state["asked"], state["answered"], state["first"], state["labels"]) == (4, 1, 10, 40)
    assert state["instructions"] == "The nearer, the better." and state["mine"]["answers"] == 1 and state["error"] is None


HOLD = """
import sys
from pathlib import Path
from rlhp.run import locked_run
with locked_run(Path(sys.argv[1])):
    print(1, flush=True)
    input()
"""


@contextmanager
def trained(run: Path) -> Iterator[None]:
    """Another process trains in this directory meanwhile."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"1\n"
        yield
        process.kill()


def test_the_training_s_true_state(run: Path) -> None:
    store = Store(run / "preferences.sqlite")
    states = [run_status(run, store, {}).state]
    with trained(run):
        states.append(run_status(run, store, {}).state)
    (run / "failed.txt").write_text("Traceback\nValueError: no\n")
    failed = run_status(run, store, {})
    (run / "finished.json").write_text("{}")
    states += [failed.state, run_status(run, store, {}).state]
    assert states == ["stopped", "training", "failed", "finished"]
    assert failed.error == "ValueError: no"
    store.close()


@pytest.mark.parametrize(
    ("max_pending", "first", "labels", "answered", "steps", "state"),
    [  # of four questions, in a training of 1000 steps
        (20, 10, 40, 0, [], "training"),  # not all of the first are asked
        (4, 0, 40, 0, [100], "training"),
        (3, 0, 40, 0, [100], "waiting"),
        (None, 0, 40, 0, [100], "training"),
        (None, 4, 40, 3, [100], "waiting"),  # the first labels are waited for, however many may be open
        (None, 4, 40, 4, [100], "training"),
        (20, 4, 40, 0, [], "waiting"),
        (20, 2, 4, 3, [800, 900], "waiting"),  # and so are the last, before the last row is written
        (None, 2, 4, 3, [800, 900], "waiting"),
        (None, 2, 4, 3, [800, 1000], "waiting"),
        (None, 2, 4, 4, [800, 900], "training"),
        (None, 2, 4, 3, [700, 800], "training"),
        (None, 2, 4, 3, [600], "waiting"),
        (None, 2, 4, 3, [400], "training"),
        (None, 2, 5, 3, [800, 900], "training"),  # the last is not asked yet
    ],
)
def test_when_the_training_waits(
    run: Path, max_pending: int | None, first: int, labels: int, answered: int, steps: list[int], state: str
) -> None:
    (run / "plan.json").write_text(json.dumps({"first_labels": first, "labels": labels}))
    (run / "clock.csv").write_text("step,wall_s\n" + "".join(f"{step},1\n" for step in steps))
    store = Store(run / "preferences.sqlite")
    store.answer(dict.fromkeys(range(answered), Answer((0, 1))), "human:annotator-1")
    with trained(run):
        assert run_status(run, store, {"max_pending": max_pending, "total_steps": 1000}).state == state
    store.close()


def test_openapi_tells_the_bodies(client: TestClient) -> None:
    schema = client.get("/openapi.json", headers=AUTH).json()
    assert set(schema["paths"]) >= {"/api/state", "/api/next", "/api/answer", "/api/undo", "/api/clips/{segment}"}
    assert set(schema["paths"]) >= {"/api/history", "/api/flag"}
    properties = schema["components"]["schemas"]["AnswerRequest"]["properties"]
    assert set(properties) >= {"annotator", "query", "round", "clips", "value", "seen"}


def test_the_page_says_what_its_keys_are(client: TestClient) -> None:
    html, answers = client.get("/", headers=AUTH).text, client.get("/static/page/choices.js").text
    for shown in ("←", "→", "↓", "↑", "Left is better", "Right is better", "Equal", "Cannot tell", "Bad", "Good"):
        assert shown in answers
    for shown in ("Undo", "Pause clips", "Replay slowly", "Help"):
        assert shown in html
    assert 'role="status"' in html and 'role="progressbar"' in html and html.count("aria-keyshortcuts") == 6


def test_nothing_of_torch_is_loaded() -> None:
    code = (
        "import sys; import rlhp.web, rlhp.web.clip_renderer; print({'torch', 'hydra', 'stable_baselines3'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


# security, a line each


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"cookie": f"token={TOKEN}"}])
def test_without_the_token_nothing_is_answered(client: TestClient, address: str, given: dict) -> None:
    answer = client.get(address, headers=given)
    assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer" and "token" in answer.json()["detail"]


@pytest.mark.parametrize("address", WRITES)
def test_without_the_token_nothing_is_written(client: TestClient, address: str, run: Path) -> None:
    body = {"annotator": "annotator-1", "count": 1}
    assert client.post(address, json=body).status_code == 401
    assert client.post(f"{address}?token={TOKEN}", json=body).status_code == 401, "a link alone changes nothing"
    assert client.post(address, json=body, headers={"cookie": f"token={TOKEN}"}).status_code == 401
    assert answers(run) == []


NAVIGATES = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-mode": "navigate"}


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/", 401, "The token is missing or wrong"),
        ("/labels?token=wrong", 401, "The token is missing or wrong"),
        (f"/?annotator=a%20b&token={TOKEN}", 422, "without spaces"),
        (f"/?annotator=%3Cscript%3E&token={TOKEN}", 422, "&lt;script&gt;"),
        (f"/nowhere?token={TOKEN}", 404, "Not Found"),
        (f"/api/state?annotator=a%20b&token={TOKEN}", 422, "annotator"),
        (f"/api/next?token={TOKEN}", 401, "The token"),
    ],
)
def test_a_person_is_told_what_is_wrong_with_an_address_and_a_program_in_json(
    client: TestClient, address: str, status: int, said: str
) -> None:
    method = "POST" if "next" in address else "GET"
    page = client.request(method, address, headers=NAVIGATES)
    assert page.status_code == status and page.headers["content-type"].startswith("text/html")
    assert said in page.text and "<script" not in page.text and TOKEN not in page.text
    program = client.request(method, address, headers={"accept": "*/*"})
    assert program.status_code == status and isinstance(program.json()["detail"], str)


@pytest.mark.parametrize("address", ADDRESSES)
def test_head_is_answered_wherever_get_is(client: TestClient, address: str) -> None:
    if "/clips/" in address:
        address = f"/api/clips/{pairs(client)[0]['clips'][0]}"
    head, get = client.head(address, headers=AUTH), client.get(address, headers=AUTH)
    assert head.status_code == get.status_code == 200 and head.content == b"" and get.content
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
    assert client.head(address).status_code == 401 and client.head("/nowhere", headers=AUTH).status_code == 404


def test_visits_are_counted_of_those_who_have_the_token(run: Path) -> None:
    now = [100.0]
    state = room(run, now=lambda: now[0])
    with TestClient(served_app(state), base_url=HOST) as client:
        now[0] = 130.0
        client.get("/")
        assert state.is_idle(29.0) and not state.is_idle(30.0)
        client.get("/", headers=AUTH)
        assert not state.is_idle(0.0)


def test_the_link_opens_the_page_and_sets_no_cookie(client: TestClient) -> None:
    answer = client.get(f"/?annotator=annotator-1&token={TOKEN}")
    assert answer.status_code == 200 and 'src="static/page/main.js"' in answer.text and "set-cookie" not in answer.headers
    assert TOKEN not in answer.text and answer.headers["cache-control"] == "no-store"


FILES = sorted(str(file.relative_to(STATIC)) for file in STATIC.rglob("*") if file.is_file())
TYPES = {".css": "text/css", ".js": "javascript", ".svg": "image/svg+xml"}


def test_static_files_are_read_without_a_key(client: TestClient) -> None:
    assert len(FILES) > 20
    for name in FILES:
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200 and answer.content == (STATIC / name).read_bytes() and b"{{token}}" not in answer.content
        assert TYPES[Path(name).suffix] in answer.headers["content-type"], name
        assert answer.headers["referrer-policy"] == "no-referrer" and answer.headers["x-content-type-options"] == "nosniff"
    assert client.head("/static/icon.svg").status_code == 200
    assert client.get("/static/icon.svg", headers={"host": "evil.example"}).status_code == 403
    assert client.post("/static/icon.svg").status_code == 401 and client.post("/static/icon.svg", headers=AUTH).status_code == 405


def test_a_browser_revalidates_a_static_file(client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = client.get("/static/icon.svg")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/icon.svg", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and again.headers["cache-control"] == "no-cache" and not again.content
    (tmp_path / "icon.svg").write_text("<svg/>")
    monkeypatch.setattr("rlhp.web.pages.STATIC", tmp_path)
    with TestClient(served_app(client.app.state.opened()), base_url=HOST) as upgraded:
        answer = upgraded.get("/static/icon.svg", headers={"if-none-match": first.headers["etag"]})
        assert answer.status_code == 200 and answer.text == "<svg/>"


def test_every_route_of_the_schema_refuses_without_a_key(client: TestClient) -> None:
    paths = client.get("/openapi.json", headers=AUTH).json()["paths"]
    assert len(paths) > 10 and all(path.startswith("/api/") for path in paths)
    for path, methods in paths.items():
        for method in methods:
            refused = client.request(method, path.replace("{segment}", "0" * 32))
            assert refused.status_code == 401 and refused.json()["detail"].startswith("the token is missing"), path


def test_pages_and_modules_name_files_that_there_are() -> None:
    for page in HTML.iterdir():
        for link in re.findall(r'(?:src|href)="(static/[^"]+)"', page.read_text()):
            assert link.removeprefix("static/") in FILES, (page.name, link)
    for script in STATIC.rglob("*.js"):
        for name in re.findall(r'from "([^"]+)"', script.read_text()):
            assert name.startswith(".") and (script.parent / name).is_file(), (script.name, name)


def test_loopback_unless_told_otherwise(run: Path) -> None:
    assert Options().host == "127.0.0.1"
    listening, page = listen(run, options_of(settings_of(run), {"port": 0}), beside=False)
    assert listening.getsockname()[0] == "127.0.0.1" and page.port == listening.getsockname()[1] > 0
    listening.close()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "127.0.0.1.evil.example", ""])
def test_another_name_for_this_machine_is_refused(client: TestClient, host: str) -> None:
    """A page elsewhere whose name is made to point at the loopback address cannot read this one."""
    assert client.get("/", headers={**AUTH, "host": host}).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["../config.yaml", "..%2Fconfig.yaml", "%2e%2e/config.yaml", "....//config.yaml", "/etc/passwd", "%2Fetc%2Fpasswd",
     "0" * 31, "0" * 33, "g" * 32, "A" * 32, "0" * 28 + ".mp4", "..\\config.yaml", "0" * 32 + "\x00", "0" * 32],
)  # fmt: skip
def test_no_path_of_the_disk_is_reachable(client: TestClient, path: str) -> None:
    for written in (path, quote(path)):
        answer = client.get(f"/api/clips/{written}" if "\x00" not in written else "/api/clips/" + quote(written), headers=AUTH)
        assert answer.status_code in (404, 422) and "task" not in answer.text and "root" not in answer.text
    for address in (
        "/config.yaml",
        "/page.py",
        "/static/page/main.py",
        "/static/",
        "/static/page",
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/..%2fhtml%2fpage.html",
        "/static/%2fetc%2fpasswd",
        "/static/page/%00",
        "/..%2fapp.py",
        "/preferences.sqlite",
    ):
        assert client.get(address, headers=AUTH).status_code == 404


GOOD = {"annotator": "annotator-1", "query": 3, "round": 0, "clips": ["0" * 32, "1" * 32], "value": "left", "seen": 1.0}
WRONG = [
    ("annotator", ""), ("annotator", "a" * 41), ("annotator", "../x"), ("annotator", "a b"), ("annotator", "<b>"),
    ("annotator", None), ("annotator", "-x"), ("query", -1), ("query", 2**60), ("query", "x"), ("query", 1.5), ("round", 2),
    ("round", -1), ("clips", []), ("clips", ["0" * 32] * 11), ("clips", ["x", "y"]), ("clips", "00"), ("value", None),
    ("value", {}), ("value", "a" * 41), ("value", [0] * 11), ("value", [0.5, "x"]), ("seen", -1), ("seen", 1e9),
    ("seen", "x"), ("count", 0), ("count", 1000), ("extra", 1),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_bodies_are_validated(client: TestClient, key: str, value: Any, run: Path) -> None:
    assert client.post("/api/answer", json={**GOOD, key: value}, headers=AUTH).status_code == 422
    assert answers(run) == []


KINDS = [  # kind, clips, what is answered, and what is stored of it where the clips are shown in order
    ("comparison", 2, "equal", "[0, 0]", None),
    ("graded_comparison", 2, "left_much", "[0, 2]", None),
    ("graded_comparison", 2, "right", "[1, 0]", None),
    ("ranking", 4, [0, 2, 1, 2], "[0, 2, 1, 2]", None),
    ("rating", 1, 0.25, None, 0.25),
    ("rating", 1, 1, None, 1.0),
    ("good_bad", 1, "good", None, 1.0),
    ("good_bad", 1, "bad", None, 0.0),
    ("rating", 1, "unsure", None, None),
]


@pytest.mark.parametrize(("kind", "clips", "value", "ranks", "rating"), KINDS)
def test_questions_of_every_kind(kind: str, clips: int, value: Any, ranks: Any, rating: Any, tmp_path: Path) -> None:
    run = filmed(make_run(tmp_path / "run", questions=1, clips=clips, feedback=kind, query={"clips": clips}))
    with TestClient(served_app(room(run)), base_url=HOST, headers=AUTH) as client:
        assert client.get("/api/state?annotator=annotator-1").json()["kind"] == kind
        (question,) = pairs(client)
        assert question["kind"] == kind and len(question["clips"]) == clips
        assert say(client, question, value).json()["outcome"] == "kept"
        (given,) = client.get("/api/history?annotator=annotator-1").json()
    assert given == {**question, "value": value, "answered_at": given["answered_at"], "taken": False, "flagged": False}
    with Store(run / "preferences.sqlite").database.reading() as db:
        (stored, swapped, rated), *_ = db.execute("SELECT ranks, swapped, rating FROM answer").fetchall()
    assert rated == rating and (None if stored is None else json.loads(stored)[:: -1 if swapped else 1]) == (
        None if ranks is None else json.loads(ranks)
    )


@pytest.mark.parametrize(
    ("kind", "clips", "wrong"),
    [
        ("comparison", 2, ["left_much", "good", 0.5, [0, 1], 1]),
        ("graded_comparison", 2, ["much", 1]),
        ("ranking", 3, ["left", [0, 1], [0, 1, -1], [0, 1, 100], 0.5]),
        ("rating", 1, [1.5, -0.1, "0.5", "good", [0], True]),
        ("good_bad", 1, ["left", 1, 0.0]),
    ],
)
def test_answers_of_another_kind_are_refused(kind: str, clips: int, wrong: list[Any], tmp_path: Path) -> None:
    run = filmed(make_run(tmp_path / "run", questions=1, clips=clips, feedback=kind))
    with TestClient(served_app(room(run)), base_url=HOST, headers=AUTH) as client:
        (question,) = pairs(client)
        refused = [say(client, question, value) for value in wrong]
        assert [answer.status_code for answer in refused] == [422] * len(wrong) and answers(run) == []
        assert "is answered by" in refused[0].json()["detail"]


def test_the_last_twenty_answers_and_one_that_is_taken_back(client: TestClient, run: Path) -> None:
    first, second = pairs(client, 2)
    say(client, first, "left")
    say(client, second, "unsure")
    assert [given["query"] for given in history(client)] == [second["query"], first["query"]]
    body = {"annotator": "annotator-1", "query": first["query"], "round": 0, "flagged": True}
    assert client.post("/api/flag", json=body, headers=AUTH).json() == {"flagged": True}
    assert [given["flagged"] for given in history(client)] == [False, True]
    assert client.post("/api/flag", json={**body, "annotator": "annotator-2"}, headers=AUTH).status_code == 404
    assert client.post("/api/flag", json={**body, "flagged": False}, headers=AUTH).json() == {"flagged": False}
    assert not any(given["flagged"] for given in history(client)) and history(client, "annotator-2") == []


def history(client: TestClient, annotator: str = "annotator-1") -> list[dict[str, Any]]:
    return client.get(f"/api/history?annotator={annotator}", headers=AUTH).json()


def test_what_is_being_filmed_and_what_somebody_else_has(client: TestClient, run: Path) -> None:
    ask(run, 2, seed=5)
    (held,) = pairs(client, 1)
    mine, other = (client.get(f"/api/state?annotator={who}", headers=AUTH).json() for who in ("annotator-1", "annotator-2"))
    assert mine["filming"] == other["filming"] == 2 and mine["leased"] == []
    (lease,) = other["leased"]
    assert lease["query"] == held["query"] and lease["annotator"] == "annotator-1" and lease["until"] > 1e9
    say(client, held)
    now = client.get("/api/state?annotator=annotator-2", headers=AUTH).json()["leased"]
    assert held["query"] not in {lease["query"] for lease in now}, "it is answered"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"seen": NaN}', b"\xff\xfe", b"[" * 5000])
def test_what_is_no_body(client: TestClient, body: bytes) -> None:
    for address in WRITES:
        answer = client.post(address, content=body, headers={**AUTH, "content-type": "application/json"})
        assert answer.status_code in (400, 422)


def test_bodies_are_bounded(client: TestClient) -> None:
    big = b'{"annotator": "' + b"a" * LIMIT + b'"}'
    for address in WRITES:
        assert client.post(address, content=big, headers=AUTH).status_code == 413
        assert client.post(address, content=iter([big[:9000], big[9000:]]), headers=AUTH).status_code == 413, (
            "without a length too"
        )
        lied = client.post(address, content=b"{}", headers={**AUTH, "content-length": str(10**12)})
        assert lied.status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_no_other_site_can_answer(client: TestClient, headers: dict, run: Path) -> None:
    pair = pairs(client)[0]
    body = {"annotator": "annotator-1", **pair, "value": "left", "seen": 1.0}
    assert client.post("/api/answer", json=body, headers={**AUTH, **headers}).status_code == 403
    assert answers(run) == []
    own = {"origin": HOST, "sec-fetch-site": "same-origin"}
    assert client.post("/api/answer", json=body, headers={**AUTH, **own}).status_code == 200


def test_no_other_site_is_allowed_to_ask(client: TestClient) -> None:
    asks = {
        "origin": "http://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = client.options("/api/answer", headers=asks)
    assert answer.status_code == 401 and not [name for name in answer.headers if name.startswith("access-control")]


def test_the_content_policy_is_strict(client: TestClient) -> None:
    for address, headers in (("/", AUTH), ("/", {}), ("/labels", AUTH), ("/api/state?annotator=a", AUTH), ("/nowhere", AUTH)):
        answer = client.get(address, headers=headers)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == "'self'" and "unsafe" not in str(policy)
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["referrer-policy"] == "no-referrer"
    pages, scripts = [*HTML.iterdir()], [*STATIC.rglob("*.js")]
    assert len(pages) > 1 and len(scripts) > 20
    for html in pages:
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:|https?://", html.read_text()), html
    for script in scripts:
        assert not re.search(r"innerHTML|eval\(|insertAdjacent|document\.write", script.read_text()), script
    for sketch in STATIC.rglob("*.svg"):
        assert not re.search(r"<script|\son\w+=|\sstyle=|href", sketch.read_text()), sketch


def test_nothing_is_unpickled(run: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*args: object, **kwargs: object) -> None:
        raise AssertionError("something was unpickled")

    for name in ("load", "loads", "Unpickler", "_Unpickler"):
        monkeypatch.setattr(pickle, name, no)
    say(client, pairs(client)[0])
    Store(run / "preferences.sqlite").collect(1)
    filmed(make_run(run.parent / "other", questions=1))
    sources = [
        file.read_text() for part in ("web", "store", "film", "labels") for file in (STATIC.parents[1] / part).rglob("*.py")
    ]
    unsafe = re.compile(r"\bpickle\b|allow_pickle(?!=False)|\bmarshal\b|\byaml\.load\(")
    assert sources and not any(unsafe.search(text) for text in sources)


def test_the_token_is_for_its_owner_s_eyes(run: Path) -> None:
    announce(run, Served("127.0.0.1", 8321, TOKEN, os.getpid(), beside=False))
    assert (run / "page.json").stat().st_mode & 0o777 == 0o600
    assert last_served(run) is not None and served(run) is None, "nobody holds the lock, so nobody serves"


def test_a_page_is_served_once_its_own_process_has_said_where(run: Path) -> None:
    """While a server starts anew, what the one before it wrote is not taken for its own."""
    announce(run, Served("127.0.0.1", 8321, TOKEN, os.getpid() + 1, beside=False))  # by a process that was killed
    now = Served("127.0.0.1", 8322, TOKEN, os.getpid(), beside=False)
    with serving(run) as alone:
        assert alone and served(run) is None
        announce(run, now)
        with serving(run) as second:
            assert not second and served(run) == now, "who comes second changes nothing"
    assert served(run) is None and last_served(run) == now


# options


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"port": 70000}, "1 to 65535"),
        ({"size": 5}, "64 to 1024"),
        ({"minimum_view": -1}, "0 to 60"),
        ({"codec": "mpeg2"}, "h264, vp9"),
    ],
)
def test_options_that_make_no_sense(given: dict, said: str) -> None:
    with pytest.raises(UserError, match=said):
        options_of({}, given)


def test_a_run_s_own_options_and_what_is_given_instead() -> None:
    settings = {"page": {"port": 9000, "overlap": 3}}
    assert options_of(settings, {"port": None, "overlap": 2}) == Options(port=9000, overlap=2)
    assert options_of({"page": None}, {}) == Options()
