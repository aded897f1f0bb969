"""`rlhp annotate` and `rlhp train teacher=human` as real processes: what they say, and what outlives what."""

from __future__ import annotations

import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import yaml
from pages import LENGTH, Person, filmed, label, make_run, start, until, walk
from test_store import version_1

from rlhp import cli
from rlhp.run import Served, key_of, last_served, locked_run, served
from rlhp.store import VERSION, AnnotationQueue, Store, UndoWindow, version_of
from rlhp.train import page
from rlhp.types import UserError

ANSWERS = int(os.environ.get("RLHP_LOAD_ANSWERS", "50"))  # of each person in the load test
STRAIGHT = {"left": "[0, 1]", "right": "[1, 0]", "equal": "[0, 0]", "unsure": None}  # the ranks that are stored
SWAPPED = {"left": "[1, 0]", "right": "[0, 1]", "equal": "[0, 0]", "unsure": None}
TRAIN = [
    *(
        "teacher=human",
        "env=point",
        "name=it",
        "n_envs=2",
        "threads=1",
        "agent.n_steps=64",
        f"clip_steps={LENGTH}",
        "query.min_segments_per_label=1",
    ),
    *("memory.capacity=400", "training_schedule.first_per_1000_steps=5", "training_schedule.per_1000_steps=5"),
    *("page.size=64", "page.minimum_view=0", "page.port=0"),
]


def rows(run: Path, columns: str = "query, teacher, round, ranks") -> list[tuple]:
    with sqlite3.connect(run / "preferences.sqlite") as db:
        return db.execute(f"SELECT {columns} FROM answer").fetchall()


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody waits for has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# what it says


def test_the_address_is_printed_for_each_person_and_the_token_is_in_no_log(tmp_path: Path) -> None:
    run = filmed(make_run(tmp_path / "run", questions=2))
    with label(run, "--annotator", "annotator-1", "--annotator", "annotator-2") as page:
        person = Person(page, "annotator-1")
        person.say(person.pairs()[0])
        assert httpx.get(page.address("annotator-1")).status_code == 200
        assert httpx.get(f"http://127.0.0.1:{page.port}/").status_code == 401
        person.client.post("/api/answer", content=b"{")
        printed = until(lambda: re.findall(r"http://\S+", (run / "label.log").read_text()))
    assert (
        printed == [page.address(), page.address("annotator-1"), page.address("annotator-2")]
        and f"annotator=annotator-1&token={key_of(page.token, 'annotator-1')}" in printed[1]
    )
    assert (run / "label.log").read_text().count(page.token) == 1, "where it is printed for people, and nowhere else"
    for file in run.rglob("*"):
        assert file.name in ("page.json", "label.log") or file.is_dir() or page.token.encode() not in file.read_bytes()


def test_it_listens_to_this_machine_alone(tmp_path: Path) -> None:
    with label(make_run(tmp_path / "run", questions=1)) as page:
        inodes = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        local = {fields[1] for fields in inodes if fields[3] == "0A" and fields[1].endswith(f":{page.port:04X}")}
        assert local == {f"0100007F:{page.port:04X}"}  # 127.0.0.1


def test_a_websocket_is_answered_like_any_other_request(tmp_path: Path) -> None:
    """Any site's page may open one to this machine: without the token it is refused, and fills no log."""
    run = make_run(tmp_path / "run", questions=1)
    handshake = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "A" * 22 + "==",
    }
    with label(run) as page:
        assert httpx.get(f"http://127.0.0.1:{page.port}/", headers=handshake).status_code == 401
    assert "Traceback" not in (run / "label.log").read_text()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with label(run, "--port", str(taken)) as page:
            assert taken < page.port < taken + 50
            assert f"port {taken} is taken, so the page is at {page.port}" in (run / "label.log").read_text()


def test_the_last_port_is_used_again_unless_another_is_asked_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    with label(run) as page:
        first = page
    with label(run) as page:
        assert (page.port, page.token) == (first.port, first.token), "open tabs keep working"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        wanted = free.getsockname()[1]
    with label(run, "--port", str(wanted)) as page:
        assert (page.port, page.token) == (wanted, first.token)
        assert "is taken" not in (run / "label.log").read_text()


def test_a_page_that_is_served_already(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    with label(run) as page:
        second = subprocess.run([sys.executable, "-m", "rlhp.cli", "annotate", str(run)], capture_output=True, text=True)
        assert second.returncode == 0 and "served already" in second.stdout and page.address() in second.stdout


@pytest.mark.parametrize(
    ("config", "said"),
    [(None, "not a run directory"), ("a: [", "damaged"), ("x: 1", "names no task"), ("task: point", "damaged")],
)
def test_what_is_no_run(tmp_path: Path, config: str | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    if config is not None:
        (tmp_path / "config.yaml").write_text(config)
        (tmp_path / "preferences.sqlite").write_text("not a store")
    assert cli.main(["annotate", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(("option", "value"), [("overlap", "0"), ("repeats", "0.9"), ("port", "99999"), ("annotator", "a b")])
def test_options_that_are_refused_give_no_address(tmp_path: Path, option: str, value: str, capsys: pytest.CaptureFixture) -> None:
    run = make_run(tmp_path / "run", questions=1)
    options = {"port": "0", option: value}
    assert cli.main(["annotate", str(run), *(word for key, given in options.items() for word in (f"--{key}", given))]) == 2
    out, err = capsys.readouterr()
    assert value in err and len(err.splitlines()) == 1 and out == "" and last_served(run) is None


def test_a_store_of_an_older_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", questions=0)
    (run / "preferences.sqlite").unlink()
    version_1(tmp_path / "new.sqlite").rename(run / "preferences.sqlite")
    with locked_run(run):
        assert cli.main(["annotate", str(run)]) == 2
    assert "trained by an older rlhp" in capsys.readouterr().err and version_of(run / "preferences.sqlite") == 1
    with label(run, "--overlap", "2") as page:
        assert Person(page, "annotator-1").state()["asked"] == 3
    assert version_of(run / "preferences.sqlite") == VERSION


FILMER = """
import sys
import av
from rlhp.film import render, video
{}
from rlhp.web.clip_renderer import main
main([sys.argv[1], "64", "h264", "1"])
"""


@contextmanager
def label_filmer(run: Path, broken: str = "") -> Iterator[subprocess.Popen[str]]:
    """The process that films, on a machine where something is broken."""
    command = [sys.executable, "-c", FILMER.format(broken), str(run)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


@pytest.mark.parametrize(
    ("task", "broken", "said"),
    [
        ("hopper", "render._loads = lambda library: False", "libegl1"),
        ("point", "video.av.codecs_available = set()", "encoder libx264 is missing"),
        ("MountainCar-v0", "", "cannot be drawn"),
    ],
)
def test_clips_that_cannot_be_made_are_a_sentence(tmp_path: Path, task: str, broken: str, said: str) -> None:
    run = make_run(tmp_path / "run", questions=1, task=task)
    with label_filmer(run, broken) as process:
        assert process.stdout is not None and said in process.stdout.readline()
        assert process.poll() is None, "it goes on trying"
    assert process.returncode == 0, "it ends with whoever started it"
    assert not list((run / "clips").glob("*"))


BROKEN_AT_FIRST = """
from rlhp.web import clip_renderer
opened, shots, clip_renderer.RETRY = [], [], 0.0
class Store(clip_renderer.Store):
    def __init__(self, path):
        opened.append(path)
        super().__init__(path)
def shoot(*args):
    shots.append(args)
    if len(shots) < 4:
        raise OSError(28, f"No space; the store was opened {len(opened)} times, and this is attempt {len(shots)}")
    return write(*args)
clip_renderer.Store, write, clip_renderer.film.write = Store, clip_renderer.film.write, shoot
"""


def test_whoever_films_opens_the_store_once_however_often_that_fails(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    with label_filmer(run, broken=BROKEN_AT_FIRST) as process:
        assert process.stdout is not None
        for attempt in (1, 2, 3):
            assert process.stdout.readline() == "\n", "it tries again"
            assert f"opened 1 times, and this is attempt {attempt})" in process.stdout.readline()
        until(lambda: len(list((run / "clips").glob("*.mp4"))) == 2)


@pytest.mark.parametrize(("task", "said"), [("MountainCar-v0", "cannot be drawn"), ("hopper", "libegl1")])
def test_a_run_whose_clips_cannot_be_drawn_is_a_sentence_at_the_start(
    tmp_path: Path, task: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rlhp.film.render._loads", lambda library: False)
    run = make_run(tmp_path / "run", questions=1, task=task)
    assert cli.main(["annotate", str(run), "--port", "0"]) == 2
    out, err = capsys.readouterr()
    assert said in err and len(err.splitlines()) == 1 and out == ""


@pytest.mark.parametrize(("task", "said"), [("MountainCar-v0", "cannot be drawn"), ("hopper", "libegl1")])
def test_a_training_that_people_could_not_watch_does_not_begin(
    tmp_path: Path, task: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlhp.film.render._loads", lambda library: False)
    run = make_run(tmp_path / "run", questions=1, task=task)
    with pytest.raises(UserError, match=said), page.page(run, wanted=True):
        raise AssertionError("it has begun")
    with page.page(run, wanted=False):  # nobody is asked
        assert served(run) is None


def test_the_page_says_why_there_are_no_clips(small_disk: Path) -> None:
    run = make_run(small_disk / "run", questions=1)
    (run / "clips").write_text("in the way of the folder of that name")
    with label(run) as page:
        person = Person(page, "annotator-1")
        assert "cannot be written" in until(lambda: person.state()["problem"]) and person.pairs() == []


@pytest.fixture
def small_disk(tmp_path: Path):
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here: that takes root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)


def test_a_read_only_run_directory_is_a_sentence(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(small_disk / "run", questions=1)
    with read_only(small_disk):
        assert cli.main(["annotate", str(run), "--port", "0"]) == 2
    out, err = capsys.readouterr()
    assert "make it writable" in err and len(err.splitlines()) == 1 and out == ""


READ_ONLY = """
def refuse(*args, **kwargs):
    raise OSError(30, "Read-only file system")
video.av.open = refuse
"""


def test_a_disk_that_has_become_read_only_is_said_where_clips_are_filmed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", questions=1)
    with label_filmer(run, broken=READ_ONLY) as process:
        assert process.stdout is not None and process.stdout.readline() == "\n", "it begins to film"
        assert "make the run directory writable" in process.stdout.readline()


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError, match="No space"):
        while True:
            filler.write(b"x" * 4096)


def test_clips_for_which_there_is_no_room_are_filmed_later(small_disk: Path) -> None:
    run = make_run(small_disk / "run", questions=3)
    (run / "clips").mkdir()
    Store(run / "preferences.sqlite").close()
    fill(small_disk)
    with label_filmer(run) as process:
        assert process.stdout is not None and "free some space" in process.stdout.readline()
        (small_disk / "filler").unlink()
        assert process.stdout.readline() == "\n"
        until(lambda: len(list((run / "clips").glob("*.mp4"))) == 6)
    assert not list((run / "clips").glob("*.part"))


def test_a_full_disk_is_said_and_the_answer_is_sent_again(small_disk: Path) -> None:
    run = filmed(make_run(small_disk / "run", questions=3))
    with label(run) as page:
        person = Person(page, "annotator-1")
        pair = person.pairs()[0]
        fill(small_disk)
        refused = []
        while not refused:  # until what SQLite holds of the disk is full too
            answer = person.client.post("/api/answer", json={"annotator": "annotator-1", **pair, "value": "left", "seen": 1.0})
            refused = [answer] if answer.status_code != 200 else []
            person.client.post("/api/undo", json={"annotator": "annotator-1", "query": pair["query"], "round": 0})
        assert refused[0].status_code == 503 and "free some space" in refused[0].json()["detail"]
        (small_disk / "filler").unlink()
        assert person.say(pair)["outcome"] == "kept"
        assert "free some space" not in str(person.state()["problem"])
    assert [row[:3] for row in rows(run)] == [(pair["query"], "human:annotator-1", 0)]


# training with people


def trainer(folder: Path, *settings: str) -> subprocess.Popen[bytes]:
    """`rlhp train teacher=human`, in a process of its own; what it says is appended to train.log."""
    with (folder / "train.log").open("ab") as log:
        command = [sys.executable, "-m", "rlhp.cli", "train", *TRAIN, *settings]
        return subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, "PYTHONWARNINGS": "ignore"})


def answering(run: Path, name: str, over: Callable[[], bool], pause: float = 0.0) -> list[dict[str, Any]]:
    """Somebody who answers until it is over, and sends again what was not acknowledged; returns the acknowledged answers."""
    rng, kept, waiting = random.Random(name), [], []
    while not over():
        page = last_served(run)
        try:
            if page is None:
                raise httpx.ConnectError("not yet")
            person = Person(page, name)
            while not over():
                waiting = waiting or [
                    {**pair, "value": rng.choice(["left", "right", "equal", "unsure"])} for pair in person.pairs()
                ]
                if not waiting:
                    time.sleep(0.05)
                    continue
                said = waiting[0]
                outcome = person.post("answer", seen=1.0, **said)["outcome"]
                kept += [{**said, "name": name}] if outcome == "kept" else []
                waiting = waiting[1:]
                time.sleep(pause)
        except httpx.HTTPError:
            time.sleep(0.05)
    return kept


def check_answers(run: Path, kept: list[dict[str, Any]]) -> None:
    """Every acknowledged answer is in the store, once, as it was given, and is learned from once."""
    store = Store(run / "preferences.sqlite", rest=UndoWindow(0))
    with store.database.reading() as db:
        segments = {id: tuple(yaml.safe_load(names)) for id, names in db.execute("SELECT id, segments FROM query")}
    answered = rows(run, "query, teacher, round, ranks, swapped")
    there = {(query, teacher.removeprefix("human:"), round): ranks for query, teacher, round, ranks, _ in answered}
    flipped = {(query, teacher.removeprefix("human:"), round): swapped for query, teacher, round, _, swapped in answered}
    told = {(said["query"], said["name"], said["round"]): said for said in kept}
    assert len(told) == len(kept), "nobody was asked the same twice"
    assert set(told) <= set(there), f"{len(set(told) - set(there))} accepted answers are lost"
    for key, said in told.items():
        swapped = tuple(said["clips"]) != segments[said["query"]]
        assert there[key] == (SWAPPED if swapped else STRAIGHT)[said["value"]], key
        assert flipped[key] == swapped
    store.collect(10**9)
    taken = rows(run, "query, teacher, taken_step, round")
    assert all((step is None) == (round > 0) for _, _, step, round in taken)
    counted = Counter(store.collect(10**9).query.tolist())
    expected = Counter(query for query, _, round, ranks in rows(run) if round == 0 and ranks is not None)
    assert counted == expected
    store.close()


@pytest.mark.slow
def test_a_training_with_two_people_from_its_first_question_to_its_end(tmp_path: Path) -> None:
    process = trainer(tmp_path, "labels=40", "total_steps=1280", "max_pending=5")
    run = tmp_path / "runs/it/point-preferences-40-seed1"
    over = threading.Event()
    kept: list[dict[str, Any]] = []
    people = [
        threading.Thread(target=lambda n=name: kept.extend(answering(run, n, over.is_set, pause=0.05)))
        for name in ("annotator-1", "annotator-2")
    ]
    until(lambda: "of 10 first labels; open http://127.0.0.1:" in (tmp_path / "train.log").read_text(), 120)
    page = served(run)
    assert page is not None and page.beside and Person(page, "annotator-1").state()["state"] == "waiting"
    for person in people:
        person.start()
    assert process.wait() == 0
    over.set()
    for person in people:
        person.join()
    state = until(lambda: (said := Person(page, "annotator-1").state())["state"] == "finished" and said)
    assert state["taken"] == state["answered"] == state["labels"] == 40
    os.kill(page.pid, signal.SIGTERM)
    until(lambda: gone(page.pid))
    until(lambda: served(run) is None)  # its threads may take a moment longer
    assert (run / "finished.json").is_file()
    assert page.token not in (run / "page.log").read_text()
    assert len(kept) >= 35 and {said["name"] for said in kept} == {"annotator-1", "annotator-2"}
    check_answers(run, kept)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_nothing_is_lost_or_counted_twice_when_processes_are_killed(tmp_path: Path) -> None:
    """The trainer, the page's server, or both, killed at 20 random moments while two people answer."""
    run = tmp_path / "runs/it/point-preferences-600-seed1"
    settings = ("labels=600", "schedule.initial=0.3", "total_steps=12800", "max_pending=200", "checkpoint_every=1280")
    process, servers = trainer(tmp_path, *settings), []
    over, kept, rng = threading.Event(), [], random.Random(20)
    people = [
        threading.Thread(target=lambda n=name: kept.extend(answering(run, n, over.is_set, pause=0.1)))
        for name in ("annotator-1", "annotator-2")
    ]
    until(lambda: served(run), 120)
    for person in people:
        person.start()
    until(lambda: rows(run), 120)
    for victim in ["trainer", "server", "both"] * 6 + ["both", "trainer"]:
        time.sleep(rng.uniform(0.1, 4.0))
        page = served(run)
        if victim != "server":
            process.kill()
            process.wait()
        if victim != "trainer" and page is not None:
            os.kill(page.pid, signal.SIGKILL)
        if victim != "server":
            process = trainer(tmp_path, *settings)
        if victim != "trainer" and page is not None:
            until(lambda pid=page.pid: gone(pid))
            servers.append(start(run, "--port", str(page.port)))
            until(lambda: served(run), 120)
    before = len(rows(run))
    until(lambda: len(rows(run)) > before or (run / "finished.json").exists(), 240)
    over.set()
    for person in people:
        person.join()
    process.kill()
    process.wait()
    page = served(run)
    if page is not None:
        os.kill(page.pid, signal.SIGTERM)
        until(lambda: gone(page.pid))
    for server in servers:
        server.wait()
    print(f"{len(kept)} answers acknowledged, {len(rows(run))} in the store, 20 kills")
    assert len(kept) > 40
    check_answers(run, kept)


# load


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_when_four_people_answer_as_fast_as_they_can(tmp_path: Path) -> None:
    people = ["annotator-1", "annotator-2", "annotator-3", "annotator-4"]
    run = make_run(tmp_path / "run", questions=0, max_pending=None)
    rng, store = np.random.default_rng(0), Store(run / "preferences.sqlite")
    clips = [walk(rng) for _ in range(120)]
    store.ask(list(combinations(clips, 2))[: len(people) * ANSWERS + 40], 0)
    filmed(run)
    done: dict[str, list[int]] = {name: [] for name in people}
    with label(run, "--repeats", "0") as page:
        hurrying = [threading.Thread(target=hurry, args=(page, name, done[name]), daemon=True) for name in people]
        for person in hurrying:
            person.start()
        for person in hurrying:
            person.join(600)
    answered = sorted(query for each in done.values() for query in each)
    assert [len(each) for each in done.values()] == [ANSWERS] * 4, "each answer was kept, and a next pair was there"
    assert answered == sorted(set(answered)) == sorted(row[0] for row in rows(run)) and store.answered == len(answered)
    store.close()


def hurry(page: Served, name: str, done: list[int]) -> None:
    """Answer without a pause; the questions whose answers were kept."""
    person = Person(page, name)
    pairs = person.pairs()
    while pairs and len(done) < ANSWERS:
        kept = person.say(pairs[0])
        assert kept["outcome"] == "kept"
        done.append(pairs[0]["query"])
        pairs = kept["questions"]


def test_a_lease_whose_browser_is_gone_comes_back(tmp_path: Path) -> None:
    run = filmed(make_run(tmp_path / "run", questions=1))
    store = Store(run / "preferences.sqlite")
    assert AnnotationQueue(store.database, seconds=1.0).assign("annotator-1", 1)
    with label(run) as page:
        second = Person(page, "annotator-2")
        assert until(second.pairs)[0]["query"] == 0
    store.close()


@pytest.mark.slow
def test_the_benchmark_of_the_page_runs() -> None:
    script = Path(__file__).parents[1] / "experiments" / "page" / "benchmark.py"
    command = [sys.executable, str(script), "--people", "2", "--pace", "5", "--seconds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.splitlines()[-1].startswith("| 2 | 5 | 10 |"), done.stderr
