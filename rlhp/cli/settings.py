"""Commands whose settings Hydra composes, given as KEY=VALUE."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from rlhp import completion
from rlhp.cli.answers import columns_options
from rlhp.cli.common import Add, check_answers, check_opengl, say, unknown_words
from rlhp.types import UserError

TRAIN_HELP = """\
usage: rlhp train [-m] [KEY=VALUE ...]

Train an agent from preferences, in runs/<name>/. Repeat a command to continue from its last checkpoint.

  rlhp train                                           HalfCheetah from 700 synthetic labels
  rlhp train env=hopper labels=1400 seed=2             another task, more labels, another seed
  rlhp train env=pong agent/network=small              an Atari game from pixels, with its score hidden
  rlhp train env=gym env.id=MountainCarContinuous-v0   any Gymnasium environment
  rlhp train -m env=hopper,walker seed=1,2,3           a sweep: all combinations, one after the other
  rlhp train -m seed=1,2,3 hydra/launcher=joblib       a sweep with one job per core
  rlhp train -m experiment=first_light                 a whole experiment
  rlhp train --cfg job                                 print all settings without training

Choices (GROUP=NAME):
{groups}

--config-dir DIR adds your own choices from a folder with the same groups. Hydra's own options: rlhp train --hydra-help.
"""
DEMO_HELP = """\
usage: rlhp demo [KEY=VALUE ...]

Train HalfCheetah to run from 700 synthetic labels, in runs/demo/; takes at most five minutes on two cores. It ends with a table
and writes learning curves, a plot of the learned reward and a video. Same as rlhp train experiment=demo, with your settings.

  rlhp demo
  rlhp demo seed=2 video=false
"""
FIT_HELP = """\
Fit a reward model to existing comparisons, in runs/<name>/, and measure it on held-out ones. No environment is needed: the
spaces of observations and actions are inferred from the data. Repeat a command to continue from its last checkpoint.
"""
FIT_EPILOG = """\
Each row of a file is a comparison: observations [L, ...] and actions [L, ...] of two segments, and a label. In an .npz each
column is an array [rows, ...]; in .parquet and .jsonl it is nested lists. A label is 1, 0 or 0.5, or one-hot.

examples:
  rlhp fit feedback.npz                                      obs_1, action_1, obs_2, action_2, label
  rlhp fit comparisons.parquet --columns left.obs=a,left.act=b,right.obs=c,right.act=d,label=e --one left
  rlhp fit runs/main/RUN heldout=0                           all answers of a run, none held out
  rlhp fit comparisons.npz -m comparisons=100,200,400        accuracy by the number of comparisons
  rlhp fit frames.npz reward_model=ensemble_cnn              image observations
  rlhp fit comparisons.npz --cfg job                         print all settings
  rlhp train env=hopper reward_model=frozen reward_model.run=runs/main/comparisons-fit-seed1    train on that reward
"""
PLAY_HELP = """\
Act in an environment on a web page, with the keyboard, and record demonstrations: each episode that you keep is added to a
Minari dataset.
"""
PLAY_EPILOG = """\
examples:
  rlhp play env=pong -o demonstrations/me                              an Atari game at its own speed, with its score hidden
  rlhp play env=halfcheetah --speed 0.25                               a robot in slow motion
  rlhp play env=gym env.id=MountainCar-v0                              an environment that defines its keys
  rlhp play env=gym env.id=CartPole-v1 keyboard.ArrowLeft.action=0 keyboard.ArrowRight.action=1
  rlhp train env=pong condition=cloning demos=demonstrations/me        a policy cloned from your episodes
"""


def add_commands(add: Add) -> None:
    """Add the commands. Those in `HYDRA` parse their own arguments; their parsers here serve help and completion."""
    add("demo", help="train a robot to run in a few minutes")
    add("train", help="train an agent with settings given as KEY=VALUE")
    fit, play = ({"parents": [parser], "add_help": False} for parser in (fit_parser(), play_parser()))
    add("fit", help="fit a reward model to existing comparisons, without an environment", **fit)
    add("play", help="act in an environment yourself and record demonstrations", **play)
    _extend_options(add("extend", help="continue a run to more steps and labels, in its own directory"))


def _extend_options(extend: argparse.ArgumentParser) -> None:
    extend.description = (
        "Continue a run to more steps and labels, in its own directory. The result equals a run that was started with these "
        "settings, except for what depends on the length of a run, such as a decaying learning rate: each such difference is "
        "printed. Repeat the command to continue after a kill."
    )
    extend.add_argument("path", type=Path, metavar="RUN", help="a run directory")
    extend.add_argument(
        "settings",
        nargs="+",
        metavar="KEY=VALUE",
        help="total_steps=..., labels=..., and settings that do not affect results, such as video",
    )
    extend.add_argument(
        "--exact", action="store_true", help="refuse if the result would differ from a run started with these settings"
    )
    extend.set_defaults(run=_extend)


def _train(arguments: list[str]) -> int:
    if arguments in (["--help"], ["-h"]):
        say(TRAIN_HELP.format(groups=_groups()))
        return 0
    check_opengl()
    from rlhp import report, train
    from rlhp.run import finished

    _check_options(arguments, argparse.ArgumentParser("rlhp train"), train.HYDRA_OPTIONS)
    run = train.main(arguments, report.score)
    if run is not None and finished(run):  # else it was stopped from its page, which has been reported
        report.print_report(run)
    return 0


def _groups() -> str:
    """Return the choices of each configuration group, one line per group."""
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
    _check_options(settings, fit_parser(), train.HYDRA_OPTIONS)
    check_answers(o.data)
    run = train.fit(o.data, settings, report.fit_score, answers.parsed(o.columns), o.one, o.minus_one)
    if run is not None:
        report.print_fit_report(run)
    return 0


def _check_options(words: Sequence[str], command: argparse.ArgumentParser, hydra: Sequence[str] = ()) -> None:
    """Raise UserError for an option that is left after a command has parsed its own, unless it is Hydra's or short for that."""
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    if unknown := [name for name in named if not any(each.startswith(name) for each in hydra)]:
        raise UserError(unknown_words(unknown, command, hydra))


def fit_parser() -> argparse.ArgumentParser:
    """Return the parser of the options of `rlhp fit`; it leaves settings unparsed."""
    raw = argparse.RawDescriptionHelpFormatter
    usage = "rlhp fit [-m] DATA [--columns WHAT=COLUMN,...] [--one SIDE] [--minus-one SAYS] [KEY=VALUE ...]"
    parser = argparse.ArgumentParser(
        "rlhp fit", usage=usage, description=FIT_HELP, epilog=FIT_EPILOG, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument(
        "data",
        type=Path,
        metavar="DATA",
        help="an .npz, .parquet or .jsonl file, a run directory, or a folder written by rlhp import",
    )
    columns_options(parser)
    return parser


def _play(arguments: list[str]) -> int:
    options, settings = play_parser().parse_known_args(arguments)
    _check_options(settings, play_parser())
    check_opengl()
    from rlhp.play import play

    o = options
    say(play(settings, o.out, o.config_dir, o.seed, o.speed, o.host, o.port))
    return 0


def play_parser() -> argparse.ArgumentParser:
    """Return the parser of the options of `rlhp play`; it leaves settings unparsed."""
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
        "-o", "--out", type=Path, metavar="FOLDER", help="dataset to add episodes to (default: demonstrations/play-TASK)"
    )
    parser.add_argument("--seed", type=int, default=20_000, help="seed of the starting states (default: %(default)s)")
    parser.add_argument("--speed", type=float, default=1.0, help="factor on the environment's own speed (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    parser.add_argument("--port", type=int, default=8331, help="port, or the next free one (default: %(default)s)")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="a folder with your own configuration groups")
    return parser


# commands that parse their own arguments
HYDRA: dict[str, Callable[[list[str]], int]] = {"demo": _demo, "train": _train, "fit": _fit, "play": _play}
