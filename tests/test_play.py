"""`rlhp play`: what keys do, when steps are taken, what is kept, and a person at the page over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import yaml
from fastapi.testclient import TestClient
from gymnasium import spaces
from minari import MinariDataset
from pages import until
from PIL import Image

from rlhp import demonstrations, film, train
from rlhp.atari import find
from rlhp.atari.keys import bindings as joystick
from rlhp.envs import point
from rlhp.envs.gym import keys as gym_keys
from rlhp.keys import Binding, keyboard
from rlhp.live import Clock, Look, Order, seconds
from rlhp.live.stage import Pressed, Stage
from rlhp.live.wire import encoded, packed
from rlhp.play import Session, play
from rlhp.types import Episode, UserError
from rlhp.web import live
from rlhp.web.options import Options
from rlhp.web.pages import HTML, STATIC

# keys


def task(space: spaces.Space, *bindings: Binding) -> SimpleNamespace:
    return SimpleNamespace(task="t", action_space=space, bindings=bindings)


JOYSTICK = {"ArrowUp": 1, "ArrowLeft": 2, "ArrowUp+ArrowLeft": 3, "Space": 4}
GIVEN = {keys: {"action": action, "does": keys.lower()} for keys, action in JOYSTICK.items()}


@pytest.mark.parametrize(
    ("held", "action"),
    [
        ([], 0),
        (["ArrowUp"], 1),
        (["ArrowUp", "ArrowLeft"], 3),  # the most keys
        (["ArrowUp", "Space"], 4),  # pressed last
        (["Space", "ArrowUp"], 1),
        (["Space", "ArrowUp", "ArrowLeft"], 3),
        (["KeyQ"], 0),
    ],
)
def test_the_action_of_the_most_keys_counts_then_that_pressed_last(held: list[str], action: int) -> None:
    chosen = keyboard(task(spaces.Discrete(5)), GIVEN).action(held)
    assert (chosen.tolist(), chosen.dtype, chosen.shape) == (action, np.int64, ())


def test_actions_of_a_box_are_added_up_and_clipped() -> None:
    given = {"KeyQ": {"action": [1, 0]}, "KeyW": {"action": [0.5, -2]}}
    keys = keyboard(task(spaces.Box(-2, 1, (2,), np.float32)), given)
    assert keys.action([]).tolist() == [0, 0]
    assert keys.action(["KeyW"]).tolist() == [0.5, -2]
    assert keys.action(["KeyQ", "KeyW"]).tolist() == [1, -2]
    assert keys.action(["KeyQ"]).dtype == np.float32
    assert [key["code"] for key in keys.legend()] == ["KeyQ", "KeyW"]


def test_nothing_held_is_the_first_of_the_actions() -> None:
    assert keyboard(task(spaces.Discrete(3, start=5)), {"KeyQ": {"action": 6}}).action([]).tolist() == 5
    assert keyboard(task(spaces.Discrete(3), Binding((), np.array(2)), Binding(("KeyQ",), np.array(1))), None).action([]) == 2


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "keyboard.ArrowLeft.action=0"),
        ({"Up": {"action": 1}}, "keyboard.Up is not a key"),
        ({"ArrowUp": {"action": 5}}, "give an action of Discrete"),
        ({"ArrowUp": 1}, "set its action"),
        ({"ArrowUp": {"action": "left"}}, "give an action of Discrete"),
    ],
)
def test_a_keyboard_that_cannot_be_used_is_refused(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence.replace(".", r"\.")):
        keyboard(task(spaces.Discrete(5)), given)


def test_a_games_keys_are_its_joystick() -> None:
    keys = keyboard(SimpleNamespace(task="seaquest", action_space=spaces.Discrete(18), bindings=joystick(find("seaquest"))), None)
    assert [int(keys.action(held)) for held in ([], ["Space"], ["ArrowUp"], ["ArrowLeft", "Space", "ArrowUp"])] == [0, 1, 2, 15]
    assert {key["code"]: key["does"] for key in keys.legend()}["Space"] == "fire"


def test_gymnasiums_keys_are_named_as_browsers_do() -> None:
    mapping = {(): 0, (276,): 1, ("w", " "): 2, "d": 3, 1073741906: 4, (ord("a"), ord("1")): 5, ("é",): 6, (300,): 7}
    found = {binding.keys: int(binding.action) for binding in gym_keys.bindings(mapping)}
    expected = [(), ("ArrowLeft",), ("KeyW", "Space"), ("KeyD",), ("ArrowUp",), ("KeyA", "Digit1")]
    assert found == {keys: i for i, keys in enumerate(expected)}


# the clock


class Time:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_steps_are_due_at_the_ends_of_slots_and_earlier_where_keys_change() -> None:
    time = Time()
    clock = Clock(0.5, time)
    clock.start()
    assert (clock.wait(changed=False), clock.wait(changed=True)) == (0.5, 0.25)
    time.now = 0.25
    assert clock.wait(changed=True) == 0
    clock.step()
    assert (clock.wait(changed=False), clock.wait(changed=True)) == (0.75, 0.5)  # the slots have not moved


def test_what_is_late_is_not_made_up_for() -> None:
    time = Time()
    clock = Clock(0.5, time)
    clock.start()
    time.now = 0.75
    clock.step()
    assert clock.wait(changed=False) == 0.25  # half a slot late: the next one is on time
    time.now = 10
    clock.step()
    assert clock.wait(changed=False) == 0
    clock.step()
    assert clock.wait(changed=False) == 0.5


def test_the_speed_can_be_changed_within_limits() -> None:
    time = Time()
    clock = Clock(0.5, time)
    clock.pace(0.25)
    clock.start()
    assert clock.wait(changed=False) == 2
    clock.pace(100)
    assert (clock.speed, clock.wait(changed=False)) == (4, 0.125)


def test_a_step_lasts_as_long_as_wrappers_make_it() -> None:
    drawing = SimpleNamespace(dt=0.5)
    assert seconds(SimpleNamespace(metadata={"render_fps": 4}), drawing) == 0.25  # type: ignore[arg-type]
    assert seconds(point.make(1, 0), drawing) == 0.5  # type: ignore[arg-type]


# what is kept


def episode(steps: int, value: float = 0.0) -> Episode:
    obs = np.full((steps + 1, 2), value, np.float32)
    return Episode(obs, np.full((steps, 2), value / 10, np.float32), np.zeros(steps, np.float32))


def test_episodes_are_added_to_what_is_there(tmp_path: Path) -> None:
    env, folder = point.make(1, 0), tmp_path / "me"
    assert [demonstrations.append(folder, episode(steps, steps), env) for steps in (3, 2, 4)] == [1, 2, 3]
    found = demonstrations.load(folder, env)
    assert [len(each.act) for each in found.episodes] == [3, 2, 4]
    assert [float(each.obs[0, 0]) for each in found.episodes] == [3, 2, 4]
    dataset = MinariDataset(folder / "data")
    assert (dataset.total_episodes, dataset.total_steps) == (3, 9)
    assert (demonstrations.kept(folder, env), demonstrations.kept(tmp_path / "other", env)) == (3, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["me"]


def test_an_episode_whose_keeping_was_interrupted_is_whole_or_not_there(tmp_path: Path) -> None:
    env, folder = point.make(1, 0), tmp_path / "me"
    demonstrations.append(folder, episode(3), env)
    counted = (folder / "data" / "metadata.json").read_bytes()
    demonstrations.append(folder, episode(2), env)
    (folder / "data" / "metadata.json").write_bytes(counted)  # as if killed between the two files
    assert [len(each.act) for each in demonstrations.load(folder, env).episodes] == [3]
    assert demonstrations.append(folder, episode(4), env) == 3
    assert [len(each.act) for each in demonstrations.load(folder, env).episodes] == [3, 2, 4]
    assert MinariDataset(folder / "data").total_steps == 9


def test_nothing_is_added_to_what_is_of_another_kind(tmp_path: Path) -> None:
    env = point.make(1, 0)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="give a new folder"):
        demonstrations.append(tmp_path, episode(3), env)
    demonstrations.append(tmp_path / "me", episode(3), env)
    other = SimpleNamespace(task="plane", observation_space=env.observation_space, action_space=env.action_space)
    with pytest.raises(UserError, match="are for env=point"):
        demonstrations.append(tmp_path / "me", episode(3), other)


# a session, without a server


class Script:
    """A stage whose person does what a script says: orders and keys, one turn after another, while time passes."""

    def __init__(self, time: Time, *turns: tuple[str, ...] | str) -> None:
        self._time, self._turns, self._n, self._held, self._tapped = time, list(turns), 0, (), ()
        self.shown: list[dict[str, Any]] = []

    @property
    def pressed(self) -> Pressed:
        return Pressed(self._held, self._n, self._tapped)

    def taken(self) -> Pressed:
        pressed, self._tapped = self.pressed, ()
        return pressed

    def show(self, picture: Any, **status: Any) -> None:
        self.shown.append({**status, "picture": picture})

    def wait(self, seconds: float) -> list[Order]:
        if not self._turns:
            raise KeyboardInterrupt
        self._time.now += max(seconds, 0) + 1e-6
        turn = self._turns.pop(0)
        if isinstance(turn, str):
            name, _, value = turn.partition("=")
            return [Order(name, float(value or 0))]
        self._tapped = tuple(key for key in turn if key not in self._held)
        self._held, self._n = turn, self._n + (turn != self._held)
        return []


def played(*turns: tuple[str, ...] | str, horizon: int = 50, dt: float = 0.1) -> tuple[Script, list[Episode]]:
    env, time, kept = point.make(1, 0, horizon=horizon), Time(), []
    stage = Script(time, *turns)

    def keep(one: Episode) -> int:
        kept.append(one)
        return len(kept)

    keys = keyboard(env, yaml.safe_load(Path("conf/env/point.yaml").read_text())["keyboard"])
    with film.Point().clip_renderer(32) as shoot:
        session = Session(env, keys, Look(env, shoot), stage, Clock(dt, time), keep)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            session.run()
    return stage, kept


RIGHT, UP, NONE = ("ArrowRight",), ("ArrowUp",), ()


def test_the_person_acts_by_keys_and_keeps_an_episode() -> None:
    stage, kept = played("start", RIGHT, RIGHT, ("ArrowRight", "ArrowUp"), "pause", NONE, "keep")
    (one,) = kept
    assert one.act.tolist() == [[1, 0], [1, 0], [1, 1]]
    assert np.diff(one.obs, axis=0) == pytest.approx(np.array([[0.1, 0], [0.1, 0], [0.1, 0.1]]), abs=1e-6)
    assert not one.terminated
    assert [status["phase"] for status in stage.shown] == ["ready", "playing", *["playing"] * 3, "paused", "ready", "ready"]
    assert stage.shown[-1]["kept"] == "1 episode kept"


def test_what_is_thrown_away_is_not_kept_and_the_next_one_starts_anew() -> None:
    (one,) = played("start", UP, UP, "pause", "discard", "start", RIGHT, "pause", "keep")[1]
    assert one.act.tolist() == [[1, 0]]
    start = point.make(1, 0)
    start.reset()
    assert one.obs[0] == pytest.approx(start.reset()[0])  # the second episode of this seed


def test_an_episode_that_is_over_waits_for_the_person() -> None:
    stage, kept = played("start", RIGHT, RIGHT, RIGHT, NONE, NONE, "keep", horizon=3)
    assert [status["phase"] for status in stage.shown][4:6] == ["over", "ready"]
    (one,) = kept
    assert len(one.act) == 3
    assert one.obs[-1] == pytest.approx(one.obs[0] + [0.3, 0], abs=1e-6)  # its own last observation


@pytest.mark.parametrize("turns", [("keep",), ("start", "keep"), ("start", RIGHT, "keep"), ("pause", "keep"), ("discard",)])
def test_orders_out_of_place_do_nothing(turns: tuple[Any, ...]) -> None:
    assert played(*turns)[1] == []


def test_pictures_say_which_keys_they_show() -> None:
    stage, _ = played("start", RIGHT, RIGHT, UP)
    assert [status["heard"] for status in stage.shown] == [0, 0, 1, 1, 2]


def test_of_fast_steps_those_with_other_keys_are_always_seen() -> None:
    stage, _ = played("start", NONE, NONE, NONE, RIGHT, RIGHT, dt=0.004)
    seen = [status["heard"] for status in stage.shown if status["picture"] is not None]
    assert seen == [0, 0, 1]  # before the start, the first step, and the one with the new key; five steps take 20 ms


# the page's server

TOKEN = "a-token-that-nobody-guesses"
AUTH = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def relay() -> live.Relay:
    return live.Relay({"title": "Play", "keys": []}, TOKEN)


@pytest.fixture
def client(relay: live.Relay) -> Iterator[TestClient]:
    with TestClient(live.create(relay, Options()), base_url="http://127.0.0.1:8331") as client:
        yield client


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def keys_down(client: TestClient, name: str, n: int, *held: str) -> int:
    return client.post("/api/keys", json={"client": name, "n": n, "held": held}, headers=AUTH).status_code


def test_nobody_gets_past_the_guard(client: TestClient) -> None:
    for path in ("/", "/api/facts", "/api/picture"):
        assert client.get(path).status_code == 401
    for path in ("/api/keys", "/api/order"):
        assert client.post(path, json={"order": "start"}).status_code == 401
        assert client.post(f"{path}?token={TOKEN}", json={"order": "start"}).status_code == 401
    assert client.get("/", params={"token": TOKEN}).status_code == 200
    assert client.get("/../app.py", params={"token": TOKEN}).status_code == 404
    assert client.get("/page.html", params={"token": TOKEN}).status_code == 404
    assert client.get("/static/live.js").status_code == client.get("/static/live.css").status_code == 200


def test_the_page_links_relative_and_runs_nothing_inline() -> None:
    page = (HTML / "live.html").read_text()
    assert 'src="/' not in page and 'href="/' not in page and " style=" not in page and "onclick" not in page
    assert 'fetch("/' not in (STATIC / "live.js").read_text()


def test_keys_that_were_overtaken_do_not_count(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    assert [keys_down(client, "a", 2, "ArrowUp"), keys_down(client, "a", 1), keys_down(client, "b", 1, "Space")] == [204] * 3
    assert said(capsys) == [{"held": ["ArrowUp"], "n": 2}, {"held": ["Space"], "n": 1}]


def test_keys_of_a_browser_that_has_gone_are_let_go(relay: live.Relay, capsys: pytest.CaptureFixture[str]) -> None:
    relay.press(live.HeldKeys(client="a", n=1, held=["ArrowUp"]))
    relay.release_idle()
    relay.last_seen["a"] -= 2 * live.GONE
    relay.release_idle()
    relay.release_idle()
    assert said(capsys) == [{"held": ["ArrowUp"], "n": 1}, {"held": [], "n": 1}]


def test_orders_are_passed_on(client: TestClient, capsys: pytest.CaptureFixture[str]) -> None:
    assert client.post("/api/order", json={"order": "speed", "value": 0.5}, headers=AUTH).status_code == 204
    assert client.post("/api/order", json={"order": "Start!"}, headers=AUTH).status_code == 422
    assert said(capsys) == [{"order": "speed", "value": 0.5}]


def test_a_browser_gets_the_newest_picture_alone(client: TestClient, relay: live.Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HOLD", 0.01)
    for content in (b"one", b"two", b"three"):
        relay.put(packed({"n": 1}, content))
    answer = client.get("/api/picture", params={"after": 1, "client": "a"}, headers=AUTH)
    assert (answer.headers["x-number"], answer.content) == ("3", packed({"n": 1}, b"three"))
    assert client.get("/api/picture", params={"after": 3, "client": "a"}, headers=AUTH).status_code == 204


def test_nobody_waits_for_a_picture_that_will_not_come(client: TestClient, relay: live.Relay) -> None:
    relay.put(packed({"n": 1}, b"last"))
    relay.end()
    assert client.get("/api/picture", params={"after": 0, "client": "a"}, headers=AUTH).headers["x-number"] == "1"
    assert client.get("/api/picture", params={"after": 1, "client": "a"}, headers=AUTH).status_code == 204


def test_few_colours_are_sent_exactly() -> None:
    plain, many = np.zeros((2, 30, 40, 3), np.uint8)
    plain[10:20, :5] = 200, 30, 7
    many[..., 0], many[..., 1] = 8 * np.arange(30)[:, None], 6 * np.arange(40)
    shown = [Image.open(BytesIO(encoded(picture))) for picture in (plain, many)]
    assert [image.format for image in shown] == ["PNG", "JPEG"]
    assert np.array_equal(shown[0], plain) and np.abs(np.asarray(shown[1], int) - many).mean() < 5


def test_a_stage_hears_what_its_page_is_told() -> None:
    stage = Stage({"title": "Play"}, "127.0.0.1", 0)
    try:
        base = f"http://127.0.0.1:{stage.page.port}"
        with httpx.Client(base_url=base, headers={"authorization": f"Bearer {stage.page.token}"}, timeout=30) as person:
            stage.show(np.zeros((8, 8, 3), np.uint8), phase="ready")
            length = int.from_bytes((content := person.get("api/picture").content)[:4], "big")
            assert json.loads(content[4 : 4 + length])["phase"] == "ready"
            for n, held in enumerate(([], ["Space"], [], ["ArrowUp"])):
                person.post("api/keys", json={"client": "a", "n": n + 1, "held": held})
            person.post("api/order", json={"order": "start"})
            assert until(lambda: stage.wait(1)) == [Order("start")]
        assert stage.pressed == Pressed(("Space", "ArrowUp"), 4, ("Space", "ArrowUp"))  # a tap between two steps counts
        stage.taken()
        assert stage.pressed == Pressed(("ArrowUp",), 4)
        os.kill(stage.page.pid, signal.SIGKILL)
        with pytest.raises(UserError, match="has ended"):
            until(lambda: stage.wait(1))
    finally:
        stage.close()


# from play to a policy


class Player:
    """Somebody at the page, over HTTP."""

    def __init__(self, address: str) -> None:
        base, _, token = address.partition("?token=")
        self.client = httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=30)
        self.n, self.last = 0, {}

    def press(self, *held: str) -> None:
        self.n += 1
        self.client.post("api/keys", json={"client": "player", "n": self.n, "held": held}).raise_for_status()

    def order(self, name: str, value: float = 0.0) -> None:
        self.client.post("api/order", json={"order": name, "value": value}).raise_for_status()

    def see(self, **wanted: Any) -> dict[str, Any]:
        """Until the page says so."""
        return until(lambda: (now := self.status()) and all(now[key] == value for key, value in wanted.items()) and now)

    def status(self) -> dict[str, Any]:
        content = self.client.get("api/picture", params={"client": "player"}).content
        return json.loads(content[4 : 4 + int.from_bytes(content[:4], "big")]) if content else {}


@contextmanager
def playing(*words: str) -> Iterator[tuple[Player, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "rlhp.cli", "play", *words, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        address = next(line.strip() for line in process.stdout if "http" in line)
        player = Player(address)
        yield player, process
        player.client.close()
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait()
        process.stdout.close()


@pytest.mark.slow
def test_what_is_played_is_cloned(tmp_path: Path) -> None:
    me, settings = tmp_path / "me", ["env=pong", "env.max_frames=160"]
    with playing(*settings, "-o", str(me), "--speed", "4") as (player, process):
        for count in (1, 2):
            player.see(phase="ready")
            player.press("ArrowUp")
            player.order("start")
            player.see(phase="over")  # after 40 steps
            player.order("keep")
            until(lambda count=count: player.status()["kept"].startswith(str(count)))
        player.order("start")
        player.see(phase="playing")
        process.kill()  # what was kept stays
    dataset = MinariDataset(me / "data")
    assert dataset.total_episodes == 2
    env = train.environment(train.compose(settings), n_envs=1, seed=0)
    found = demonstrations.load(me, env)
    env.close()
    assert all(set(each.act.tolist()) <= {0, 2} and (each.act == 2).sum() > 30 for each in found.episodes)
    run = train.main(
        [*settings, "condition=cloning", f"demos={me}", *CLONED, f"hydra.run.dir={tmp_path / 'run'}"], lambda run: 0.0
    )
    assert run is not None
    act = train.load(run).policy(np.zeros((4, 4, 84, 84), np.uint8))
    assert act.tolist() == [2] * 4  # what the person did, whatever was to be seen


CLONED = [
    *("total_steps=60", "checkpoint_every=60", "loop.evaluate_every=60", "loop.evaluate_episodes=1", "loop.batch_size=32"),
    *("n_envs=2", "agent/network=small", "threads=1"),
]


def test_tasks_without_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="env=CartPole-v1 has no keys"):
        play(["env=gym", "env.id=CartPole-v1"], tmp_path / "me", None, 0, 1.0, "127.0.0.1", 0)
    assert not (tmp_path / "me").exists()
