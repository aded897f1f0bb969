"""Runs that are published and pulled: what goes along, what stays, and that what arrives works."""

import base64
import inspect
import json
import re
import shutil
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from films import decoded
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.vec_env import VecNormalize

from rlhp import __version__, answers, cli, report, store
from rlhp.agent import SmallCNN, loads_without_rlhp
from rlhp.hub import PushOptions, pull, push, push_to, remote
from rlhp.hub.card import Card
from rlhp.hub.code_check import unknown_code
from rlhp.hub.folder import PATTERNS, published_files, published_settings
from rlhp.run import last_checkpoint, read_settings
from rlhp.train import build, extend, load, train
from rlhp.types import Rollout, UserError

pytestmark = pytest.mark.filterwarnings("ignore:You have specified a mini-batch size")  # settings are for longer rollouts

SMALL = ["env=point", "total_steps=2048", "labels=20", "n_envs=2", "threads=1", "memory.capacity=200", "video=false"]
TOKEN = "who-has-this-may-answer"


def settings(*overrides: str) -> dict:
    with initialize_config_module("rlhp.conf", version_base="1.3"):
        return OmegaConf.to_container(compose("config", [*SMALL, *overrides]), resolve=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory with all that one may hold."""
    path = tmp_path_factory.mktemp("runs") / "point-seed1"
    train({**settings(), "instructions": "Go far."}, path)
    (path / "page.json").write_text(json.dumps({"token": TOKEN, "host": "127.0.0.1"}))
    (path / "policy.mp4").write_bytes(b"a film")
    (path / "clips").mkdir()
    (path / "clips" / "1.mp4").write_bytes(b"a clip")
    return path


@pytest.fixture(scope="module")
def folder(run: Path) -> Path:
    """What is published of it."""
    push_to(run, run.parent / "published", PushOptions())
    return run.parent / "published"


@pytest.fixture
def pulled(folder: Path, tmp_path: Path) -> Path:
    pull(str(folder), tmp_path / "pulled")
    return tmp_path / "pulled"


def contents(path: Path) -> bytes:
    """All bytes of a file, with what a saved model of Stable-Baselines3 packs and pickles."""
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as file:
        inside = b"".join(file.read(name) for name in file.namelist())
    return inside + b"".join(base64.b64decode(each) for each in re.findall(rb'":serialized:": "([^"]+)"', inside))


def test_a_folder_holds_what_was_learned_and_nothing_private(run: Path, folder: Path) -> None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {str(path) for path in published_files(folder)}
    assert {"README.md", "config.yaml", "policy.zip", "vec_normalize.pkl", "replay.mp4", "metrics.csv", "finished.json"} < names
    assert {"checkpoints/2048/agent.safetensors", "checkpoints/2048/reward.safetensors", "checkpoints/2048/done"} < names
    assert not [name for name in names if "page" in name or "clips" in name or "sqlite" in name or name == "lock"]
    for path in map(folder.joinpath, names):
        assert not [
            word
            for word in (TOKEN, str(run.parent), str(Path.home()), str(Path(__file__).parents[1]))
            if word.encode() in contents(path)
        ]


def test_settings_of_the_page_and_absolute_paths_are_not_published() -> None:
    told = published_settings(
        {
            "page": {"annotators": ["ada"]},
            "tracker": {"_target_": "rlhp.run.Wandb", "entity": "ada"},
            "demos": "/home/ada/demos",
            "agent": {"start": {"run": "~/runs/expert"}, "layers": ["/a/b", 3]},
            "expert": "runs/expert",
            "env": {"max_episode_steps": None},
        }
    )
    assert told == {
        "page": None,
        "tracker": {"_target_": "rlhp.run.NoTracker"},
        "demos": "demos",
        "agent": {"start": {"run": "expert"}, "layers": ["b", 3]},
        "expert": "runs/expert",
        "env": {"max_episode_steps": None},
    }


def test_a_pulled_policy_is_worth_the_same(run: Path, pulled: Path) -> None:
    assert report.returns(pulled, 3, 5) == report.returns(run, 3, 5)


def test_a_film_of_a_pulled_policy_is_that_of_the_run(run: Path, pulled: Path, tmp_path: Path) -> None:
    theirs, own = (decoded(report.film_policy(each, tmp_path / f"{each.name}.mp4", seconds=0.5)) for each in (pulled, run))
    assert np.array_equal(theirs[0], own[0]) and theirs[1] == own[1]
    assert len(own[0]) > 2 and np.abs(own[0][0].astype(int) - own[0][-1]).max() > 100, "the point has moved"


def test_an_agent_is_rewarded_by_a_pulled_reward_model_as_by_the_runs_own(run: Path, pulled: Path) -> None:
    obs, act = np.random.default_rng(0).normal(size=(2, 3, 2, 2)).astype(np.float32)
    steps = Rollout(obs, act, *[np.zeros((3, 2), np.float32)] * 2, None, np.zeros(0))
    rewards = [build(settings("reward_model=frozen", f"reward_model.run={path}")).reward(steps) for path in (run, pulled)]
    assert np.array_equal(*rewards) and np.ptp(rewards[0]) > 0


def test_training_does_not_go_on_from_what_was_published(pulled: Path) -> None:
    before = {path: path.read_bytes() for path in pulled.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=f"is a published run: .*reward_model=frozen reward_model.run={pulled}"):
        extend(pulled, ["total_steps=4096"])
    assert {path: path.read_bytes() for path in pulled.rglob("*") if path.is_file()} == before
    (pulled / "finished.json").unlink()
    with pytest.raises(UserError, match="is a published run"):
        train(read_settings(pulled), pulled)


@pytest.mark.parametrize(
    "words", ["annotate", "answers", "export answers.jsonl", "export --minari out", "inspect", "rate", "fit"]
)
def test_what_needs_answers_says_that_a_pulled_run_has_none(words: str, pulled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, *rest = words.split()
    before = sorted(pulled.rglob("*"))
    assert cli.main([command, str(pulled), *rest]) == 2
    told = capsys.readouterr().err
    assert "a published run without the queries, clips and answers" in told and "rlhp push --answers" in told
    assert sorted(pulled.rglob("*")) == before


def test_the_status_of_a_pulled_run_that_was_not_finished(pulled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pulled / "finished.json").unlink()
    assert cli.main(["status", str(pulled)]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head == f"{pulled}: 1 published of 1", "nothing on continuing it"
    assert line.split() == ["published", "pulled", "2,048", "of", "2,048"]


def test_everybody_may_read_what_they_may_read_of_other_files(run: Path, folder: Path) -> None:
    for path in (run, folder):
        done, *files = (path / "checkpoints" / "2048").iterdir()
        assert files and {file.stat().st_mode for file in files} == {done.stat().st_mode}


def test_a_pulled_run_can_be_published_again(pulled: Path, tmp_path: Path) -> None:
    push_to(pulled, tmp_path / "again", PushOptions())
    assert (tmp_path / "again" / "replay.mp4").read_bytes() == b"a film"


def test_answers_go_along_only_where_they_are_asked_for(run: Path, tmp_path: Path) -> None:
    told = push_to(run, tmp_path / "open", PushOptions(answers=True))
    pull(str(tmp_path / "open"), tmp_path / "pulled")
    assert "with answers and the names of the annotators" in told
    assert store.labels(tmp_path / "pulled" / "preferences.sqlite") == store.labels(run / "preferences.sqlite")
    assert "20" in answers.text(answers.report(tmp_path / "pulled"))


def test_stable_baselines3_alone_loads_the_policy(run: Path, folder: Path) -> None:
    trained = load(run)
    env = trained.make_env(2, 0)
    obs = np.random.default_rng(0).normal(size=(5, *env.observation_space.shape)).astype(np.float32)
    normaliser, policy = VecNormalize.load(str(folder / "vec_normalize.pkl"), env), PPO.load(folder / "policy.zip")
    acted = policy.predict(normaliser.normalize_obs(obs), deterministic=True)[0]
    assert np.array_equal(acted, trained.policy(obs)) and np.ptp(acted) > 0
    assert type(policy.policy.optimizer).__module__.startswith("torch")


def test_a_network_of_ours_needs_rlhp() -> None:
    with_ours = SimpleNamespace(policy_kwargs={"features_extractor_class": SmallCNN, "net_arch": []})
    assert not loads_without_rlhp(with_ours) and loads_without_rlhp(SimpleNamespace(policy_kwargs={"net_arch": [64]}))


def test_a2c_is_saved_as_what_it_is(tmp_path: Path) -> None:
    train(settings("agent=a2c", "condition=true_reward", "total_steps=1024"), tmp_path / "run")
    push_to(tmp_path / "run", tmp_path / "out", PushOptions())
    assert A2C.load(tmp_path / "out" / "policy.zip").n_steps == read_settings(tmp_path / "run")["agent"]["n_steps"]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# A2C on point, on the task's own reward" in card and "reward_model=frozen" not in card


def card_of(folder: Path) -> tuple[dict, str]:
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def test_the_card_has_the_front_matter_of_the_hub(folder: Path) -> None:
    front, text = card_of(folder)
    assert front["library_name"] == "stable-baselines3" and front["license"] == "mit"
    assert {"reinforcement-learning", "rlhp", "point", "ppo"} <= set(front["tags"])
    ((result,),) = (index["results"] for index in front["model-index"])
    assert result["dataset"] == {"name": "point", "type": "point"} and result["task"]["type"] == "reinforcement-learning"
    ((metric),) = result["metrics"]
    assert metric["type"] == "mean_reward" and re.fullmatch(r"-?\d+\.\d\d( \+/- \d+\.\d\d)?", metric["value"])
    assert "# PPO on point, from 20 answers of a synthetic teacher" in text
    for told in (
        "Seed: 1.",
        "rlhp pull published",
        "The questions and answers are not published",
        "replay.mp4",
        "stable-baselines3 2",
    ):
        assert told in text


def test_new_episodes_are_evaluated_where_the_card_is_to_say_so(run: Path, tmp_path: Path) -> None:
    push_to(run, tmp_path / "out", PushOptions(episodes=4, licence="cc-by-4.0"))
    front, text = card_of(tmp_path / "out")
    mean = re.search(r"over 4 new episodes \(deterministic policy\): mean (-?[\d.,]+) \(95 % bootstrap interval", text)
    assert mean and front["license"] == "cc-by-4.0"
    assert float(front["model-index"][0]["results"][0]["metrics"][0]["value"].split()[0]) == pytest.approx(
        float(mean[1].replace(",", "")), abs=0.1
    )


def test_a_fit_publishes_its_reward_model_without_the_comparisons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    columns = {name: rng.normal(size=(60, 4, 2)) for name in ("obs_1", "obs_2", "action_1", "action_2")}
    better = columns["obs_2"][..., 0].sum(1) > columns["obs_1"][..., 0].sum(1)
    np.savez(tmp_path / "data.npz", **columns, label=better.astype(float))
    words = ["total_steps=20", "evaluate_every=10", "checkpoint_every=10", "threads=1", f"hydra.run.dir={tmp_path / 'run'}"]
    assert cli.main(["fit", str(tmp_path / "data.npz"), *words]) == 0
    assert cli.main(["push", str(tmp_path / "run"), "--to", str(tmp_path / "out")]) == 0
    front, text = card_of(tmp_path / "out")
    assert front["library_name"] == "rlhp" and "reward-model" in front["tags"] and "held-out accuracy" in text
    assert (
        not (tmp_path / "out" / "comparisons.csv").exists()
        and str(tmp_path) not in (tmp_path / "out" / "config.yaml").read_text()
    )
    assert cli.main(["pull", str(tmp_path / "out"), str(tmp_path / "pulled")]) == 0
    assert "a reward model" in capsys.readouterr().out
    own, theirs = (last_checkpoint(tmp_path / name)["reward"] for name in ("run", "pulled"))
    assert own.keys() == theirs.keys() and all(np.array_equal(own[name], theirs[name]) for name in own)


def test_what_is_uploaded_is_that_folder(run: Path, folder: Path) -> None:
    seen = {}

    def upload(place: Path, repo: str, private: bool) -> str:
        seen.update(names={*published_files(place)}, card=(place / "README.md").read_text(), asked=(repo, private))
        return "https://hub.example.org/ada/point"

    told = push(run, "ada/point", PushOptions(), private=True, upload=upload)
    assert told.startswith("https://hub.example.org/ada/point: ") and seen["asked"] == ("ada/point", True)
    assert seen["names"] == {*published_files(folder)} and "rlhp pull ada/point runs/pulled" in seen["card"]


def test_a_repository_is_pulled_without_what_no_run_holds(folder: Path, tmp_path: Path) -> None:
    def download(repo: str, place: Path, patterns: tuple[str, ...]) -> None:
        assert repo == "ada/point" and patterns == PATTERNS
        shutil.copytree(folder, place)
        (place / "setup.py").write_text("raise SystemExit")

    assert pull("ada/point", tmp_path / "run", download=download).endswith("of point, seed 1")
    assert published_files(tmp_path / "run") == published_files(folder) and not (tmp_path / "run" / "setup.py").exists()


def test_the_hubs_client_takes_what_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    called = {}

    def stand_in(name: str, answer: object) -> object:
        asked = inspect.signature(getattr(hub.HfApi, name))

        def call(self: object, *args: object, **kwargs: object) -> object:
            called[name] = asked.bind(self, *args, **kwargs).arguments
            return answer

        return call

    monkeypatch.setattr(hub.HfApi, "create_repo", stand_in("create_repo", "https://hub.example.org/ada/point"))
    monkeypatch.setattr(hub.HfApi, "upload_folder", stand_in("upload_folder", None))
    assert remote.upload(tmp_path, "ada/point", True) == "https://hub.example.org/ada/point"
    assert called["create_repo"]["exist_ok"] and called["create_repo"]["private"]
    assert called["upload_folder"]["folder_path"] == tmp_path
    assert "preferences.sqlite" in called["upload_folder"]["delete_patterns"], "answers that were published before"
    inspect.signature(hub.snapshot_download).bind("ada/point", local_dir=tmp_path, allow_patterns=["*"])


def test_the_hubs_client_reads_the_card(folder: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard((folder / "README.md").read_text()).data
    (result,) = data.eval_results
    assert (data.library_name, data.license) == ("stable-baselines3", "mit")
    assert (result.metric_type, result.dataset_type) == ("mean_reward", "point") and float(result.metric_value.split()[0]) < 0


def test_without_the_hubs_package_a_sentence_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(remote, "import_module", missing)
    with pytest.raises(UserError, match=r"pip install 'rlhp\[hub\]'"):
        remote.upload(tmp_path, "ada/point", False)


def test_what_the_hub_refuses_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Hub:
        @staticmethod
        def snapshot_download(*_: object, **__: object) -> None:
            raise OSError("404 Client Error.\n\nRepository Not Found")

    monkeypatch.setattr(remote, "import_module", lambda name: Hub)
    with pytest.raises(UserError, match=r"access to ada/none \(404 Client Error\.\); check the name"):
        pull("ada/none", tmp_path / "run")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"teacher": {"_target_": "os.system", "command": "true"}}, ["os.system"]),
        ({"agent": {"callback": {"_target_": "rlhp.cli.command.os.system"}}}, ["rlhp.cli.command.os.system"]),
        ({"agent": {"x": {"_target_": "hydra.utils.get_class", "path": "subprocess.Popen"}}}, ["subprocess.Popen"]),
        ({"agent": {"x": {"_target_": "hydra.utils.get_class", "_args_": ["subprocess.Popen"]}}}, ["subprocess.Popen"]),
        ({"env": {"wrappers": ["mine:Wrapper", {"theirs.Wrapper": {"a": 1}}]}}, ["mine:Wrapper", "theirs.Wrapper"]),
        ({"env": {"id": "mine:Task-v0"}}, ["mine:Task-v0"]),
        ({"env": {"id": "CarRacing-v3", "wrappers": ["gymnasium.wrappers:TimeAwareObservation"]}}, []),
        ({"agent": {"x": [{"_target_": "hydra.utils.get_class", "path": "rlhp.agent.SmallCNN"}]}}, []),
    ],
)
def test_code_that_is_not_ours_is_named(part: dict, named: list[str]) -> None:
    assert unknown_code(part) == named


def test_settings_of_ours_name_no_other_code() -> None:
    assert unknown_code(settings()) == [] and unknown_code(settings("env=pong", "teacher=human")) == []


def test_a_run_that_names_other_code_is_pulled_only_where_it_is_trusted(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "theirs")
    config = tmp_path / "theirs" / "config.yaml"
    config.write_text(config.read_text().replace("rlhp.teacher.Oracle", "left.Left"))
    with pytest.raises(UserError, match=r"not part of rlhp \S+ \(left\.Left\)"):
        pull(str(tmp_path / "theirs"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    pull(str(tmp_path / "theirs"), tmp_path / "run", trusted=True)
    assert read_settings(tmp_path / "run")["teacher"]["_target_"] == "left.Left"


DONE = "checkpoints/2048/done"
NO_ENV = b"task: point\ncondition: preferences\nlabels: 7\nseed: 1\ntotal_steps: 9\nagent: {}\n"


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (
            "checkpoints/2048/agent.safetensors",
            b"no",
            r"SOURCE is damaged \(agent.safetensors does not match its digest\); copy or",
        ),
        ("checkpoints/2048/agent.safetensors", None, r"SOURCE is damaged \(.*No such file"),
        (DONE, None, r"SOURCE holds no checkpoint; copy or download it again"),
        (
            DONE,
            b'{"format": 9, "digests": {}}',
            rf"SOURCE was written by rlhp {__version__}, whose checkpoints {__version__} cannot",
        ),
        ("config.yaml", b"[", r"SOURCE/config.yaml is damaged"),
        ("config.yaml", None, r"SOURCE holds no run"),
        ("config.yaml", b"task: point", r"SOURCE/config.yaml has no key 'condition'"),
        ("config.yaml", NO_ENV, rf"SOURCE/config.yaml has no key 'env', so rlhp {__version__} cannot build its policy"),
        ("metrics.csv", None, r"SOURCE/metrics.csv is missing"),
        ("clock.csv", None, r"SOURCE/clock.csv is missing"),
    ],
)
def test_what_is_damaged_or_no_run_is_not_pulled(
    file: str, content: bytes | None, sentence: str, folder: Path, tmp_path: Path
) -> None:
    source = shutil.copytree(folder, tmp_path / "theirs")
    (source / file).unlink()
    if content is not None:
        (source / file).write_bytes(content)
    with pytest.raises(UserError, match=f"^{sentence.replace('SOURCE', str(source))}"):
        pull(str(source), tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"env": {"_target_": "rlhp.envs.later.make"}}, "env is set to rlhp.envs.later.make, but .*No module named"),
        ({"env": {"speed": 2}}, "env cannot be built from these settings .*unexpected keyword argument 'speed'"),
        (
            {"agent": {"policy_kwargs": {"net_arch": [8]}}},
            "agent builds another network than that of the checkpoint .*size mismatch",
        ),
    ],
)
def test_a_pulled_run_whose_settings_do_not_fit_this_version(change: dict, sentence: str, pulled: Path) -> None:
    config, versions = pulled / "config.yaml", pulled / "versions.json"
    ((part, new),) = change.items()
    written = yaml.safe_load(config.read_text())
    config.write_text(yaml.safe_dump({**written, part: {**written[part], **new}}))
    versions.write_text(json.dumps({"rlhp": "9.1"}))
    with pytest.raises(UserError, match=f"{config}, written by rlhp 9.1, does not fit rlhp {__version__}: {sentence}"):
        load(pulled)


def test_a_reward_model_that_does_not_fit_this_version(pulled: Path) -> None:
    config = pulled / "config.yaml"
    config.write_text(config.read_text().replace("rlhp.reward.mlp_ensemble", "rlhp.reward.later"))
    with pytest.raises(UserError, match=r"reward_model is set to rlhp\.reward\.later"):
        build(settings("reward_model=frozen", f"reward_model.run={pulled}"))


@pytest.mark.parametrize(
    ("licence", "sentence"), [("nonsense", "give one such as mit"), ("cc-by-40", "give one such as cc-by-4.0"), ("MIT", "as mit")]
)
def test_a_licence_that_the_hub_does_not_know(
    licence: str, sentence: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["push", str(run), "--to", str(tmp_path / "out"), "--license", licence]) == 2
    told = capsys.readouterr().err
    assert f"no licence '{licence}'" in told and sentence in told and not any(tmp_path.iterdir())


def test_the_card_of_a_run_with_code_of_ones_own_says_that_its_commands_need_trust(folder: Path, tmp_path: Path) -> None:
    source = shutil.copytree(folder, tmp_path / "left")
    config = source / "config.yaml"
    config.write_text(config.read_text().replace("rlhp.teacher.Oracle", "left.Left"))
    mine, ours = (Card(path, path, "ada/left", "mit", "PPO").text() for path in (source, folder))
    assert "rlhp pull ada/left runs/pulled --trust\n" in mine and "code that is not part of rlhp: `left.Left`" in mine
    assert "rlhp pull ada/left runs/pulled\n" in ours and "not part of rlhp" not in ours


def test_no_folder_is_written_over(run: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for refused in (lambda: push_to(run, tmp_path, PushOptions()), lambda: pull(str(folder), tmp_path)):
        with pytest.raises(UserError, match="exists already"):
            refused()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("words", [[], ["ada/point", "--to", "out"]])
def test_one_place_is_named(words: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["push", str(run), *words]) == 2
    assert "name one place" in capsys.readouterr().err
