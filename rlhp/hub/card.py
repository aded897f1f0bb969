"""The model card of a run: Markdown with the YAML front matter that the Hugging Face hub reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rlhp import __version__, analysis
from rlhp.hub.code_check import unknown_code
from rlhp.hub.folder import CONFIG, FILM, STORE
from rlhp.run import VERSIONS, finished, read_json, read_settings
from rlhp.types import Array

NOT_PACKAGES = ("date", "cpu", "cores", "system", "python")
TRUE_REWARD = "rlhp.reward.TrueReward"
PAPER = "[Christiano et al. (2017)](https://arxiv.org/abs/1706.03741)"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """True returns [n] of new episodes of the final policy, and how it acted in them."""

    returns: Array
    how: str

    def __str__(self) -> str:
        """A sentence."""
        low, high = analysis.interval([self.returns], analysis.average)
        return (
            f"True return over {len(self.returns)} new episodes ({self.how}): mean {self.returns.mean():,.1f} "
            f"(95 % bootstrap interval {low:,.1f} to {high:,.1f})."
        )


@dataclass(frozen=True, slots=True)
class Card:
    """What a card is made from: the run, the folder that is published, and what readers pull."""

    run: Path
    folder: Path
    source: str
    licence: str
    algorithm: str | None = None  # such as PPO; None: there is no policy
    alone: bool = True  # whether Stable-Baselines3 loads the policy without rlhp
    evaluated: Evaluated | None = None

    def text(self) -> str:
        """The card. Raises UserError where the run cannot be read."""
        settings = read_settings(self.run)
        front = yaml.safe_dump(self._front(settings), sort_keys=False, allow_unicode=True)
        return f"---\n{front}---\n\n" + "\n\n".join(self._sections(settings)) + "\n"

    def _front(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        learned = ["reinforcement-learning", "deep-reinforcement-learning"] if self.algorithm else ["reward-model"]
        known = [settings["task"], self.algorithm.lower()] if self.algorithm else []
        front = {
            "library_name": "stable-baselines3" if self.algorithm else "rlhp",
            "license": self.licence,
            **({"pipeline_tag": "reinforcement-learning"} if self.algorithm else {}),
            "tags": [*learned, "human-preferences", "reward-learning", "rlhp", *known],
        }
        returns = self._returns()
        return {**front, "model-index": [self._index(settings, returns)]} if len(returns) else front

    def _returns(self) -> Array:
        """True returns [n] for the hub's tables: of new episodes where there are any, else of the end of training."""
        if self.evaluated:
            return self.evaluated.returns
        return analysis.late_returns(analysis.load(self.run)) if self.algorithm else np.zeros(0)

    def _index(self, settings: Mapping[str, Any], returns: Array) -> dict[str, Any]:
        """The entry of `model-index`, which the hub's tables read."""
        value = f"{returns.mean():.2f}" + (f" +/- {returns.std():.2f}" if len(returns) > 1 else "")
        metric = {"type": "mean_reward", "name": "mean true return", "value": value}
        task = {"type": "reinforcement-learning", "name": "reinforcement-learning"}
        data = {"name": settings["task"], "type": settings["task"]}
        return {"name": self.run.name, "results": [{"task": task, "dataset": data, "metrics": [{**metric, "verified": False}]}]}

    def _sections(self, settings: Mapping[str, Any]) -> Iterator[str]:
        yield f"# {self._title(settings)}\n\n{self._about(settings)}"
        yield f"## Results\n\n{self._results()}"
        if (self.folder / FILM).is_file():
            yield f"## Film\n\n[{FILM}]({FILM}) shows the policy."
        yield f"## Use\n\n{self._use(settings)}"
        yield f"## Training\n\n{self._training(settings)}"
        yield f"## Licence\n\n{self.licence}"

    def _title(self, settings: Mapping[str, Any]) -> str:
        if self.algorithm is None:
            return f"A reward model fitted to {settings['comparisons'] or 'all'} comparisons of {settings['task']}"
        return f"{self.algorithm} on {settings['task']}, {_feedback(self.run, settings)}"

    def _about(self, settings: Mapping[str, Any]) -> str:
        what = "A policy" if self.algorithm else "A reward model"
        what = f"{what} and the reward model that it was trained on" if self.algorithm and _learned(settings) else what
        stated = str(settings.get("instructions") or "")
        asked = f"\n\nPeople are asked: {stated}" if stated and _by_people(settings) else ""
        return f"{what}, trained by rlhp {__version__} after {PAPER}.{asked}"

    def _results(self) -> str:
        if self.algorithm is None:
            return f"```\n{analysis.fit_summary(self.run)}\n```"
        data = analysis.load(self.run)
        lines = [f"```\n{analysis.summary(data)}\n```", _final(data)]
        pictures = [name for name in ("curve.png", "reward.png") if (self.folder / name).is_file()]
        reached = "" if finished(self.run) else f"The training was stopped at step {data.step:,} of {data.total_steps:,}."
        told = [*lines, str(self.evaluated or ""), reached, *(f"![{name}]({name})" for name in pictures)]
        return "\n\n".join(filter(None, told))

    def _use(self, settings: Mapping[str, Any]) -> str:
        own = unknown_code(settings)
        trust = " --trust" if own else ""
        lines = [f"pip install rlhp=={__version__}", f"rlhp pull {self.source} runs/pulled{trust}"]
        if self.algorithm:
            lines += ["rlhp evaluate runs/pulled --episodes 20", "rlhp film runs/pulled -o policy.mp4"]
        if _learned(settings):
            lines.append(f"rlhp train {_env(settings)} reward_model=frozen reward_model.run=runs/pulled")
        needed = [f"\nIts settings name code that is not part of rlhp: {', '.join(f'`{name}`' for name in own)}."] if own else []
        return "\n".join(["```sh", *lines, "```", *needed, *self._stock()])

    def _stock(self) -> Iterator[str]:
        """How Stable-Baselines3 loads the policy."""
        if not (self.folder / "policy.zip").is_file():
            return
        where = "without rlhp too" if self.alone else "where rlhp is installed"
        yield f"\nStable-Baselines3 loads the policy, {where}: `{self.algorithm}.load('policy.zip')`."
        if (self.folder / "vec_normalize.pkl").is_file():
            yield "It reads observations that are normalised: `VecNormalize.load('vec_normalize.pkl', env)`."

    def _training(self, settings: Mapping[str, Any]) -> str:
        versions = read_json(self.run / VERSIONS)
        packages = ", ".join(f"{name} {value}" for name, value in versions.items() if name not in NOT_PACKAGES)
        answers = f"`{STORE}` holds every question, clip and answer."
        kept = answers if (self.folder / STORE).is_file() else "The questions and answers are not published."
        return "\n".join(
            [
                f"* Seed: {settings['seed']}. Every setting: [{CONFIG}]({CONFIG}).",
                f"* Versions: Python {versions.get('python', 'unknown')}, {packages or 'others unknown'}.",
                f"* {kept}",
            ]
        )


def _feedback(run: Path, settings: Mapping[str, Any]) -> str:
    """What the policy learned from, in words."""
    used = analysis.load(run).taken.used
    if settings["condition"] == "true_reward":
        return "on the task's own reward"
    if used:
        return f"from {used:,} answers of {'people' if _by_people(settings) else 'a synthetic teacher'}"
    return f"by {settings['condition'].replace('_', ' ')}"


def _learned(settings: Mapping[str, Any]) -> bool:
    """Whether the reward was learned."""
    return settings["reward_model"]["_target_"] != TRUE_REWARD


def _by_people(settings: Mapping[str, Any]) -> bool:
    return str((settings.get("teacher") or {}).get("_target_", "")).endswith(".Human")


def _final(data: analysis.RunData) -> str:
    """The final return with its interval, in a sentence; empty where no episode has ended."""
    returns = analysis.late_returns(data)
    if not len(returns):
        return ""
    low, high = analysis.interval([returns], analysis.average)
    within = f" (95 % bootstrap interval of its rollouts' means: {low:,.1f} to {high:,.1f})" if len(returns) > 1 else ""
    return f"Final true return in training: {analysis.final_return(data):,.1f}{within}, of one seed."


def _env(settings: Mapping[str, Any]) -> str:
    """The overrides that choose the task."""
    task = str(settings["task"]) if "env" in settings else "TASK"
    known = task == "TASK" or (files("rlhp.conf") / "env" / f"{task}.yaml").is_file()
    return f"env={task}" if known else f"env=gym env.id={settings['env'].get('id', task)}"
