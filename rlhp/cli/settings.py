"""Commands whose settings Hydra composes, given as KEY=VALUE."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from rlhp import completion
from rlhp.cli.answers import columns_options
from rlhp.cli.common import Add, check_opengl, say

TRAIN_HELP = """\
usage: rlhp train [-m] [KEY=VALUE ...]

Train an agent from preferences, in runs/<name>/. The same command again goes on from the last checkpoint.

  rlhp train                                           HalfCheetah from 700 synthetic labels
  rlhp train env=hopper labels=1400 seed=2             another task, more labels, another seed
  rlhp train env=pong agent/network=small              an Atari game from its pixels, the score hidden
  rlhp train env=gym env.id=MountainCarContinuous-v0   any Gymnasium environment with a Box observation
  rlhp train -m env=hopper,walker seed=1,2,3           a sweep: every combination, one after the other
  rlhp train -m seed=1,2,3 hydra/launcher=joblib       a sweep with a job on each core
  rlhp train -m experiment=first_light                 a whole experiment
  rlhp train --cfg job                                 print all settings, train nothing

Choices (GROUP=NAME):
{groups}

Bring your own: --config-dir DIR, a folder with the same groups. Everything else that Hydra can do: rlhp train --hydra-help.
"""
DEMO_HELP = """\
usage: rlhp demo [KEY=VALUE ...]

HalfCheetah learns to run from 700 synthetic labels, in runs/demo/: at most five minutes on two cores. The run ends with a table,
learning curves, a picture of the learned reward and a video. The same as rlhp train experiment=demo; settings override its own.

  rlhp demo
  rlhp demo seed=2 video=false
"""
FIT_HELP = """\
Fit a reward model to comparisons that are there already, in runs/<name>/, and measure it on some that it never sees. No
environment is needed: what observations and actions are is inferred from the data. The same command again goes on from the
last checkpoint.
"""
FIT_EPILOG = """\
A file has a comparison a row: of two segments the observations [L, ...] and actions [L, ...], and a label. In an .npz each column
is an array [rows, ...]; in .parquet and .jsonl it is a list of lists. A label is 1, 0 or 0.5, or one-hot.

examples:
  rlhp fit feedback.npz                                      obs_1, action_1, obs_2, action_2, label
  rlhp fit comparisons.parquet --columns left.obs=a,left.act=b,right.obs=c,right.act=d,label=e --one left
  rlhp fit runs/main/RUN heldout=0                           the answers of a run, all of them learned from
  rlhp fit comparisons.npz -m comparisons=100,200,400        how accuracy grows with their number
  rlhp fit frames.npz reward_model=ensemble_cnn              images
  rlhp fit comparisons.npz --cfg job                         print all settings
  rlhp train env=hopper reward_model=frozen reward_model.run=runs/main/comparisons-fit-seed1    an agent on that reward
"""
PLAY_HELP = """\
Act in an environment at a page, by keyboard, and keep what you did as demonstrations: a dataset of Minari's, to which each
episode is added when you keep it.
"""
PLAY_EPILOG = """\
examples:
  rlhp play env=pong -o demonstrations/me                              an Atari game at its own speed, its score hidden
  rlhp play env=halfcheetah --speed 0.25                               a robot in slow motion
  rlhp play env=gym env.id=MountainCar-v0                              whatever says what keys do
  rlhp play env=gym env.id=CartPole-v1 keyboard.ArrowLeft.action=0 keyboard.ArrowRight.action=1
  rlhp train env=pong condition=cloning demos=demonstrations/me        a policy that does as you did
"""


def add_commands(add: Add) -> None:
    """Add the commands. Those of `HYDRA` are run with all words after them: their parsers here are for help and completion."""
    add("demo", help="see it work: a robot learns to run in a few minutes")
    add("train", help="train an agent; settings follow as KEY=VALUE")
    fit, play = ({"parents": [parser], "add_help": False} for parser in (fit_parser(), play_parser()))
    add("fit", help="fit a reward model to comparisons that are there already, without an environment", **fit)
    add("play", help="act in an environment yourself, at a page, and keep it as demonstrations", **play)
    _extend_options(add("extend", help="go on with a run to more steps and labels, in its own directory"))


def _extend_options(extend: argparse.ArgumentParser) -> None:
    extend.description = (
        "Go on with a run, in its own directory, to more steps and labels: as if it had been asked for so many at once, where "
        "nothing depends on the end. What does, such as a learning rate that falls towards it, is said in a sentence each. "
        "Killed, the same command goes on with it."
    )
    extend.add_argument("path", type=Path, metavar="RUN", help="a run directory")
    extend.add_argument(
        "settings", nargs="+", metavar="KEY=VALUE", help="total_steps=..., labels=..., and what touches no numbers, such as video"
    )
    extend.add_argument("--exact", action="store_true", help="refuse where it would not be as if asked for at once")
    extend.set_defaults(run=_extend)


def _train(arguments: list[str]) -> int:
    if arguments in (["--help"], ["-h"]):
        say(TRAIN_HELP.format(groups=_groups()))
        return 0
    check_opengl()
    from rlhp import report, train
    from rlhp.run import finished

    run = train.main(arguments, report.score)
    if run is not None and finished(run):  # else it was stopped from its page, which was said
        report.print_report(run)
    return 0


def _groups() -> str:
    """The names in each group of the configuration, a line each."""
    found = completion.groups()
    width = max(map(len, found))
    return "\n".join(f"  {group:<{width}}  {', '.join(names)}" for group, names in found.items())


def _demo(arguments: list[str]) -> int:
    if {"--help", "-h"} & {*arguments}:
        say(DEMO_HELP)
        return 0
    return _train(["experiment=demo", *arguments])


def _extend(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import report, train
    from rlhp.run import finished

    train.extend(options.path, options.settings, options.exact)
    if finished(options.path):
        report.print_report(options.path)
    return 0


def _fit(arguments: list[str]) -> int:
    options, settings = fit_parser().parse_known_args(arguments)
    check_opengl()
    from rlhp import answers, report, train

    o = options
    run = train.fit(o.data, settings, report.fit_score, answers.parsed(o.columns), o.one, o.minus_one)
    if run is not None:
        report.print_fit_report(run)
    return 0


def fit_parser() -> argparse.ArgumentParser:
    """The options of `rlhp fit`; settings are left over."""
    raw = argparse.RawDescriptionHelpFormatter
    usage = "rlhp fit [-m] DATA [--columns WHAT=COLUMN,...] [--one SIDE] [--minus-one SAYS] [KEY=VALUE ...]"
    parser = argparse.ArgumentParser(
        "rlhp fit", usage=usage, description=FIT_HELP, epilog=FIT_EPILOG, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a .npz, .parquet or .jsonl file, a run, or a folder of rlhp import"
    )
    columns_options(parser)
    return parser


def _play(arguments: list[str]) -> int:
    options, settings = play_parser().parse_known_args(arguments)
    check_opengl()
    from rlhp.play import play

    o = options
    say(play(settings, o.out, o.config_dir, o.seed, o.speed, o.host, o.port))
    return 0


def play_parser() -> argparse.ArgumentParser:
    """The options of `rlhp play`; settings are left over."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "rlhp play",
        usage="rlhp play env=NAME [-o FOLDER] [KEY=VALUE ...]",
        description=PLAY_HELP,
        epilog=PLAY_EPILOG,
        formatter_class=raw,
        allow_abbrev=False,
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="where episodes are kept (default: demonstrations/play-TASK)"
    )
    parser.add_argument("--seed", type=int, default=20_000, help="of the starting states (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="times the environment's own (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1, this machine alone)")
    parser.add_argument("--port", type=int, default=8331, help="or the next that is free (default: %(default)s)")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with groups of settings of your own")
    return parser


# commands by what runs them, given all words after the command
HYDRA: dict[str, Callable[[list[str]], int]] = {"demo": _demo, "train": _train, "fit": _fit, "play": _play}
