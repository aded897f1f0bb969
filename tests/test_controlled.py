"""A training, its page, two people with keys and an owner, as real processes: paused, killed, stopped, and brought to its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from pages import until
from test_run import TINY

from rlhp.answers import prediction_accuracy
from rlhp.run import Served, checkpoint, control, finished, key_of, served
from rlhp.run.record import read_table
from rlhp.store import Store, judged, labels

LONG = 180.0  # seconds, for a machine that is busy
FEW = [word for word in TINY if not word.startswith(("labels", "total_steps", "checkpoint_every"))]


def training(run: Path) -> subprocess.Popen[bytes]:
    """`rlhp train`, answered by people at a page of its own."""
    settings = (
        *(
            "env=point",
            "teacher=human",
            "labels=8",
            "first_labels=4",
            "total_steps=2048",
            "checkpoint_every=100000",
            "max_pending=0",
        ),
        *("page.port=0", "page.size=64", "page.minimum_view=0", "page.rest_answers=0", "page.rest_seconds=0"),
        *("page.annotators=[ada,bob]", f"hydra.run.dir={run}"),
    )
    run.mkdir(parents=True, exist_ok=True)
    with (run.parent / "train.log").open("ab") as log:
        command = [sys.executable, "-m", "rlhp.cli", "train", *FEW, *settings]
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "OMP_NUM_THREADS": "1"})


class Somebody:
    """Who opens a link."""

    def __init__(self, page: Served, name: str | None = None) -> None:
        self.name, key = name or "me", page.token if name is None else key_of(page.token, name)
        self.client = httpx.Client(
            base_url=f"http://127.0.0.1:{page.port}", headers={"authorization": f"Bearer {key}"}, timeout=30
        )

    def __del__(self) -> None:
        self.client.close()

    def answers(self) -> bool:
        """Answer one question, if there is one."""
        who = {"annotator": self.name}
        dealt = self.client.post("/api/next", json={**who, "count": 1}).raise_for_status().json()["questions"]
        for shown in dealt:
            said = {key: shown[key] for key in ("query", "round", "clips")}
            self.client.post("/api/answer", json={**who, **said, "value": "left", "seen": 1.0}).raise_for_status()
        return bool(dealt)

    def run(self, what: str = "", **body: Any) -> dict[str, Any]:
        """Look at the run, or ask something of it."""
        answer = self.client.post(f"/api/run/{what}", json=body) if what else self.client.get("/api/run")
        return answer.raise_for_status().json()


def steps(run: Path) -> int:
    rows = read_table(run / "metrics.csv")
    return int(rows[-1]["step"]) if rows else 0


@pytest.mark.slow
def test_people_with_keys_teach_a_run_that_its_owner_controls(tmp_path: Path) -> None:
    run, log = tmp_path / "run", tmp_path / "train.log"
    trainer = training(run)
    page = until(lambda: served(run), LONG)
    ada, bob, owner = Somebody(page, "ada"), Somebody(page, "bob"), Somebody(page)
    try:
        for name in ("ada", "bob"):
            until(lambda name=name: page.address(name) in log.read_text(), LONG)
        owner.run("pause")
        while steps(run) == 0:  # the first labels are given, and then the round ends
            ada.answers()
            bob.answers()
        until(lambda: "from the page" in log.read_text() and checkpoint.complete(run / "checkpoints"), LONG)
        paused_at = steps(run)
        trainer.kill()
        trainer.wait()

        said = log.read_text().count("paused at step")
        trainer = training(run)
        until(lambda: log.read_text().count("paused at step") > said, LONG)
        assert steps(run) == paused_at and owner.run()["paused"] is True, "it came back as it was"
        assert Somebody(page, "ada").client.post("/api/run/resume").status_code == 403
        assert owner.run("labels", more=6)["labels"] == 14
        owner.run("resume")
        while len(labels(run / "preferences.sqlite")) < 6:
            ada.answers()
            bob.answers()
        assert owner.run("stop")["stopping"] is True
        assert trainer.wait(LONG) == 0
        assert not finished(run) and control(run).stopped == checkpoint.complete(run / "checkpoints")[-1] == steps(run)
        assert "was stopped from the page; repeat the command to continue from step" in log.read_text()
        assert owner.run()["stopped"] == steps(run), "the page is still there"

        trainer = training(run)
        while trainer.poll() is None:
            if served(run) is not None:
                ada.answers()
                bob.answers()
        assert trainer.returncode == 0 and finished(run)
        given = labels(run / "preferences.sqlite")
        assert len(given) == 14 and {label.annotator for label in given} == {"human:ada", "human:bob"}
        store = Store(run / "preferences.sqlite")
        found = prediction_accuracy(run, judged(store.database))
        store.close()
        assert found is not None and 0 < found.n < 14 and owner.run()["agreement"]["n"] == found.n
    finally:
        trainer.kill()
        if (there := served(run)) is not None:
            os.kill(there.pid, signal.SIGTERM)
