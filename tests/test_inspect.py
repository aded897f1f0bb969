"""`rlhp inspect`: faults planted in r-hats that it must flag, sound ones that it must not, and the report itself."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from gymnasium import spaces

from rlhp import train
from rlhp.cli import main
from rlhp.inspect import Outcome, answers, coverage, estimate, findings, inputs
from rlhp.store import Source, Store, labels
from rlhp.types import Answer, Array, Clips, Comparisons, ImagesAndVector, Rollout, Steps

ORDER = (
    "total_steps=6144",
    "query.min_segments_per_label=4",  # more clips of the untrained policy than the rule for so short a run asks for
    "n_envs=4",
    "agent.n_steps=48",
    "agent.batch_size=64",
    "labels=90",
    "threads=1",
    "checkpoint_every=3000",
)
MEMBERS = 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run on the probe."""
    path = tmp_path_factory.mktemp("runs") / "point"
    assert main(["train", "env=point", *ORDER, f"hydra.run.dir={path}"]) == 0
    return path


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer draws and steps: the faults are large."""
    monkeypatch.setattr(coverage, "STEPS", 3200)
    monkeypatch.setattr(coverage, "DRAWS", 40)
    monkeypatch.setattr(inputs, "REPEATS", 2)
    monkeypatch.setattr(estimate, "DRAWS", 200)


class Planted:
    """An r-hat that is what it is, an ensemble by a little noise in the units of its members."""

    def __init__(self, reward) -> None:
        self.reward = reward  # observations [*B, 2] and actions [*B, 2] -> [*B]

    def predict_members(self, steps: Steps) -> Array:
        found = self.reward(steps.obs, steps.act)
        return np.stack(
            [(1 + 0.2 * k) * found + 0.01 * k * np.sin(17 * steps.obs[..., 0]) * (found.std() > 0) for k in range(MEMBERS)]
        )

    def __call__(self, rollout: Rollout) -> Array:
        return self.reward(rollout.obs, rollout.act)

    def held_out(self, queries: Array) -> Array:
        """A third of the answers for each member, each another one."""
        return (queries[np.newaxis] + np.arange(MEMBERS)[:, np.newaxis]) % MEMBERS == 0


def true(obs: Array, act: Array) -> Array:
    return -np.linalg.norm(obs + 0.1 * np.clip(act, -1, 1), axis=-1)


def found(run: Path, monkeypatch: pytest.MonkeyPatch, model: object | None = None, blind: bool = False) -> findings.Findings:
    if model is not None:
        learned = replace(train.learned(run), model=model)  # type: ignore[arg-type]
        monkeypatch.setattr(findings.train, "learned", lambda path: learned)
    return findings.measure(findings.examine(run, blind), run)


def flagged(of: findings.Findings) -> set[str]:
    return {check.title for check in of.checks if check.outcome is Outcome.FLAGGED}


def test_what_was_learned_is_sound(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = found(trained, monkeypatch)
    assert not flagged(of) and of.verdict is Outcome.SOUND
    assert of.agreement.heldout.value > 0.8 and of.clips.value > 0.7
    assert of.distances.epic.high < 0.6 and of.distances.starc.high < 0.6


def test_the_true_reward_is_at_distance_0(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = found(trained, monkeypatch, Planted(lambda obs, act: 5 * true(obs, act) + 3))
    assert not flagged(of) and of.verdict is Outcome.SOUND
    assert of.distances.epic.high < 0.01 and of.distances.starc.high < 0.01
    assert of.order.tau.value == 1 and of.agreement.heldout.value == 1


def test_a_constant_is_flagged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = found(trained, monkeypatch, Planted(lambda obs, act: np.full(obs.shape[:-1], 0.3)))
    assert {"Varies", "Agrees with held-out answers"} <= flagged(of)


def test_an_inverted_reward_is_flagged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = found(trained, monkeypatch, Planted(lambda obs, act: -true(obs, act)))
    titles = {"Agrees with held-out answers", "Follows the true reward", "Orders policies"}
    assert titles | {"Near the true reward (EPIC)", "Near the true reward (STARC)"} <= flagged(of)
    assert of.distances.epic.value == pytest.approx(1, abs=0.01) and of.distances.starc.value == pytest.approx(1, abs=0.01)


def test_a_reward_of_one_input_is_flagged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = found(trained, monkeypatch, Planted(lambda obs, act: -np.abs(obs[..., 1])))
    assert "Rests on more than one input" in flagged(of)
    worth = {each.name: each for each in of.worth}
    assert worth["obs[1]"].alone == pytest.approx(1, abs=0.02) and worth["obs[1]"].drop.low > 0
    assert worth["obs[0]"].drop.value == pytest.approx(0, abs=0.03)


def test_a_reward_learned_by_heart_is_flagged(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = answers.of_run(trained, train.learned(trained))
    assert given is not None
    model = ByHeart(given)
    of = found(trained, monkeypatch, model)
    assert "Generalises" in flagged(of)
    assert of.agreement.learned.value > 0.9 and of.agreement.new.value < 0.75


class ByHeart(Planted):
    """Each member knows the clips of the answers that it has learned from, and says anything of others."""

    def __init__(self, given: answers.Answers) -> None:
        super().__init__(lambda obs, act: np.zeros(obs.shape[:-1]))
        unseen = self.held_out(given.question)
        self.known = [
            {given.clips.obs[row].tobytes() for row in np.concatenate([given.better[~left], given.worse[~left]]).tolist()}
            for left in unseen
        ]

    def predict_members(self, steps: Steps) -> Array:
        drawn = [np.random.default_rng(crc32(obs.tobytes())).normal(size=(MEMBERS, obs.shape[0])) for obs in steps.obs]
        noise = np.stack(drawn, axis=1)
        for k, known in enumerate(self.known):
            for i, obs in enumerate(steps.obs):
                if obs.tobytes() in known:
                    noise[k, i] = 20 * steps.true_reward[i]
        return noise


def rewritten(run: Path, to: Path, columns: dict[str, Array]) -> Path:
    """A copy of a run whose metrics have other numbers in these columns, spread over its rows, and no fit after the first."""
    shutil.copytree(run, to)
    with (to / "metrics.csv").open() as file:
        rows = [*csv.DictReader(file)]
    used = [row for row in rows if row["reward_mean"]]
    for i, row in enumerate(used):
        row |= {name: f"{np.interp(i / len(used), np.linspace(0, 1, len(y)), y):.5g}" for name, y in columns.items()}
    with (to / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0]])
        writer.writeheader()
        writer.writerows([{**row, "fit_steps": "5"} for row in rows])
    return to


def test_an_exploited_reward_is_flagged(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    up, turn = np.linspace(0, 1, 60), np.concatenate([np.linspace(0, 1, 25), np.linspace(1, -0.5, 35)])
    columns = {"reward_mean": up + 0.05 * rng.normal(size=60), "true_reward": turn + 0.05 * rng.normal(size=60)}
    of = found(rewritten(trained, tmp_path / "hacked", columns), monkeypatch)
    assert flagged(of) == {"Is not exploited"} and of.series is not None and "last fitted" in of.series.source
    columns["true_reward"] = up + 0.05 * rng.normal(size=60)
    monkeypatch.undo()
    assert not flagged(found(rewritten(trained, tmp_path / "well", columns), monkeypatch))


def test_blind_hides_all_that_the_true_reward_tells(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of = found(trained, monkeypatch, blind=True)
    assert of.verdict is Outcome.SOUND
    numbers = (of.clips, of.steps, of.newest_clips, of.newest_steps, of.distances.epic, of.distances.starc, of.order.tau)
    assert all(number.missing == findings.HIDDEN for number in numbers) and of.series is None and of.alarm is None
    assert "difference in true return" not in of.agreement.groups
    unknown = {check.title for check in of.checks if check.outcome is Outcome.UNKNOWN}
    assert unknown == {
        "Follows the true reward",
        "Near the true reward (EPIC)",
        "Near the true reward (STARC)",
        "Orders policies",
        "Is not exploited",
    }


def test_members_judge_what_they_have_not_learned_from(trained: Path) -> None:
    learned = train.learned(trained)
    given = answers.of_run(trained, learned)
    assert given is not None
    unseen = answers.unseen(learned.model, given, MEMBERS)
    assert 0.25 < unseen.mean() < 0.5  # 1 / e of the answers
    assert (answers.unseen(object(), given, MEMBERS) == ~given.taken).all()


def test_an_answer_that_came_too_late_is_held_out_for_all(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "late"))
    with Store(run / "preferences.sqlite").database.writing() as db:
        db.execute("UPDATE answer SET taken_step = NULL WHERE query = 7")
    learned = train.learned(run)
    given = answers.of_run(run, learned)
    assert given is not None
    assert not answers.of_run(run, replace(learned, step=0)).taken.any(), "r-hat is older than all of its answers"  # type: ignore[union-attr]
    late = given.question == 7
    assert late.any() and answers.unseen(learned.model, given, MEMBERS)[:, late].all()


class Sources(HTMLParser):
    """The addresses that a page loads, and its tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass


def test_command_writes_one_file_that_needs_no_other(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "reports" / "r-hat.html"
    assert main(["inspect", str(trained), "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert "verdict: sound" in said and str(out) in said and "Kendall's tau" in said
    text = out.read_text()
    page = Sources(text)
    assert page.loaded and all(source.startswith("data:video/mp4;base64,") for source in page.loaded)
    assert not page.open and "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
    assert text.count('<figure class="clip"') == 8 and "No faults found" in text
    assert not list(out.parent.glob("*.part"))


def test_exit_status_is_1_for_a_fault(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    learned = replace(train.learned(trained), model=Planted(lambda obs, act: -true(obs, act)))  # type: ignore[arg-type]
    monkeypatch.setattr(findings.train, "learned", lambda path: learned)
    assert main(["inspect", str(trained), "-o", str(tmp_path / "a.html")]) == 1
    assert "verdict: flagged" in capsys.readouterr().out
    assert "This reward has faults" in (tmp_path / "a.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{run}", "-o", "report.pdf"], "not an .html file"),
        (["{nothing}"], "is not a run directory"),
        (["{run}", "-o", "{file}/report.html"], "cannot be written"),
    ],
)
def test_user_errors(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    (tmp_path / "file").write_text("")
    places = {"run": trained, "nothing": tmp_path / "nothing", "file": tmp_path / "file"}
    assert main(["inspect", *(argument.format(**places) for argument in arguments)]) == 2
    assert said in capsys.readouterr().err


def test_a_run_on_the_true_reward_has_none_to_inspect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["total_steps=256", "n_envs=2", "agent.n_steps=64", "agent.batch_size=64", "threads=1"]
    assert main(["train", "env=point", "condition=true_reward", *small, f"hydra.run.dir={tmp_path / 'run'}"]) == 0
    assert main(["inspect", str(tmp_path / "run")]) == 2
    assert "learned no reward" in capsys.readouterr().err


def test_names_are_text(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "<b>run"))
    store = Store(run / "preferences.sqlite")
    given = [label for label in labels(store.path) if label.ranks is not None]
    for label in given[:20]:
        store.answer({label.query: Answer(label.ranks)}, "human:<script>", Source.HUMAN)
    store.close()
    assert main(["inspect", str(run), "-o", str(tmp_path / "a.html")]) in (0, 1)
    text = (tmp_path / "a.html").read_text()
    assert "&lt;script&gt;" in text and "<b>run" not in text and text.count("<script>") == 1


def test_a_fit_is_inspected_without_an_environment(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = tmp_path / "fit"
    settings = ["total_steps=200", "threads=1", "heldout=0.4", f"hydra.run.dir={fit}"]
    assert main(["fit", str(trained), *settings]) == 0
    capsys.readouterr()
    status = main(["inspect", str(fit)])
    said = capsys.readouterr().out
    assert status in (0, 1) and "in the right order" in said and "there is no environment" in said
    assert "the run has no stored clips" in (fit / "inspect.html").read_text()
    told = json.loads((fit / "finished.json").read_text())["heldout"]
    assert told["decided"] > 0


def test_with_a_handful_of_answers_it_says_what_is_missing(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "few"))
    with Store(run / "preferences.sqlite").database.writing() as db:
        db.execute("DELETE FROM answer WHERE query >= 5")
    assert main(["inspect", str(run)]) == 0
    said = capsys.readouterr().out
    assert "too few to distinguish from chance" in said and "5 independent observations are too few" in said
    assert "too few; at least 8 are needed" in (run / "inspect.html").read_text()


def test_pictures_are_shuffled_by_parts() -> None:
    rng = np.random.default_rng(0)
    steps = Steps(rng.integers(0, 255, (6, 4, 20, 20, 3), dtype=np.uint8), np.zeros((6, 4), np.int64), np.zeros((6, 4)))
    space = spaces.Box(0, 255, (20, 20, 3), np.uint8)
    parts = inputs.of_spaces(space, (20, 20, 3), spaces.Discrete(3))
    assert parts.patches and len(parts.each) == inputs.GRID**2 + 1
    changed = inputs._shuffled(steps, [parts.each[1]], np.random.default_rng(1))
    differs = (changed.obs != steps.obs).any(axis=(0, 1, 4))
    assert differs[:4, 4:8].all() and not differs[4:].any() and not differs[:, :4].any() and not differs[:, 8:].any()
    assert "not analysed" in inputs.of_spaces(ImagesAndVector([space], 3), (1203,), spaces.Discrete(3)).missing


def test_clips_that_are_rated_one_by_one_give_pairs_of_one_annotator(tmp_path: Path) -> None:
    obs = np.arange(6.0).reshape(6, 1, 1)
    clips = Clips(obs, np.zeros((6, 1, 1), np.float32), obs[..., 0])
    ratings = np.array([0.1, 0.9, 0.5, 0.5, 0.2, 0.7])
    shown = np.arange(6)[:, np.newaxis]
    rated = Comparisons(clips, shown, np.zeros((6, 1), int), np.arange(6) + 10, np.zeros(6, bool), ratings)
    known = answers._Known(["a", "a", "b", "b", "a", "a"], np.zeros(6), np.ones(6, bool), np.ones(6, bool))
    given = answers._pairs(rated, known)
    assert given is not None and {*given.annotator} == {"a"}, "b rates both of its clips alike"
    assert (ratings[given.better] > ratings[given.worse]).all() and (given.question == given.better + 10).all()
    assert (given.other == given.worse + 10).all() and 2 <= len(given) <= 4
