"""Commands that analyse runs: curves, evaluation, videos, ratings, reports."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from rlhp.cli.common import Add, check_answers, check_opengl, say

NICENESS = 19  # of an inspection that a page starts, so that it does not slow training


def add_commands(add: Add) -> None:
    """Add the commands."""
    _plot_options(add("plot", help="learning curves over seeds, and the CSV behind them"))
    _status_options(add("status", help="progress of a sweep: finished, running and failed runs, and the remaining time"))
    _evaluate_options(add("evaluate", help="evaluate a run's policy on the true reward"))
    _film_options(add("film", help="a video of a run's policy"))
    _demonstrate_options(add("demonstrate", help="record a run's policy as demonstrations, in a Minari dataset"))
    _rate_options(add("rate", help="Elo ratings: of a run's policy at different steps, or of several runs' policies"))
    _inspect_options(add("inspect", help="report whether a learned reward can be trusted; exit status 1 if it has a fault"))


def _plot_options(plot: argparse.ArgumentParser) -> None:
    plot.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories, or folders of them")
    plot.add_argument(
        "-o", "--out", type=Path, default=Path("curves.png"), metavar="FILE", help="the figure (default: %(default)s)"
    )
    plot.add_argument(
        "--by", action="append", default=[], metavar="KEY", help="one line per value of this setting, such as labels; repeatable"
    )
    plot.set_defaults(run=_plot)


def _status_options(status: argparse.ArgumentParser) -> None:
    status.add_argument("folders", nargs="+", type=Path, metavar="RUNS", help="run directories, or folders of them")
    status.set_defaults(run=_status)


def _evaluate_options(evaluate: argparse.ArgumentParser) -> None:
    _policy_options(evaluate)
    evaluate.add_argument("--episodes", type=int, default=10, help="number of complete episodes (default: %(default)s)")
    _length_option(evaluate)
    evaluate.set_defaults(run=_evaluate)


def _film_options(film: argparse.ArgumentParser) -> None:
    _policy_options(film)
    film.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="an .mp4 or .webm (default: policy.mp4 in the run directory)"
    )
    film.add_argument("--seconds", type=float, default=10.0, help="length in simulated seconds (default: %(default)s)")
    film.set_defaults(run=_film)


def _demonstrate_options(demonstrate: argparse.ArgumentParser) -> None:
    _policy_options(demonstrate)
    demonstrate.add_argument("--episodes", type=int, default=16, help="complete episodes to record (default: %(default)s)")
    demonstrate.add_argument(
        "--best-of", type=int, metavar="N", help="record N episodes and keep the best by true return (default: keep the first)"
    )
    demonstrate.add_argument(
        "-o", "--out", type=Path, metavar="FOLDER", help="dataset folder (default: demonstrations in the run directory)"
    )
    _length_option(demonstrate)
    demonstrate.set_defaults(run=_demonstrate)


def _policy_options(command: argparse.ArgumentParser) -> None:
    """Add the options of commands in which a policy acts."""
    command.add_argument("path", type=Path, metavar="RUN", help="a run directory")
    command.add_argument(
        "--seed", type=int, default=10_000, help="seed of starting states and sampled actions (default: %(default)s)"
    )
    how = command.add_mutually_exclusive_group()
    how.add_argument(
        "--deterministic",
        action="store_true",
        default=None,
        help="take the policy's mean or most likely action (default for continuous actions)",
    )
    how.add_argument(
        "--stochastic",
        action="store_false",
        dest="deterministic",
        default=None,
        help="sample actions from the policy, as in training (default for discrete actions)",
    )


def _length_option(command: argparse.ArgumentParser) -> None:
    command.add_argument("--max-steps", type=int, default=100_000, help="fail if an episode is longer (default: %(default)s)")


def _rate_options(rate: argparse.ArgumentParser) -> None:
    rate.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories of one task")
    rate.add_argument(
        "--teacher",
        choices=("oracle", "noisy"),
        help="teacher that compares clips: of one run, the clips of its queries; of several, new clips of their policies "
        "(default: use the stored answers)",
    )
    rate.add_argument(
        "--groups", type=int, default=10, metavar="N", help="number of parts of a run that are rated (default: %(default)s)"
    )
    rate.add_argument("--games", type=int, default=100, metavar="N", help="games per pair, with --teacher (default: %(default)s)")
    rate.add_argument("--anchor", metavar="NAME", help="name in the table whose rating is set to 0 (default: the mean is 0)")
    rate.add_argument("--seed", type=int, default=10_000, help="seed of new clips and of the pairing (default: %(default)s)")
    rate.add_argument("-o", "--out", type=Path, metavar="FILE", help="also write the table to a .csv file")
    rate.set_defaults(run=_rate)


def _inspect_options(inspect: argparse.ArgumentParser) -> None:
    inspect.add_argument(
        "path", type=Path, metavar="RUN", help="a run directory of rlhp train or rlhp fit; training may be in progress"
    )
    inspect.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the report, an .html file (default: inspect.html in the run directory)"
    )
    inspect.add_argument("--blind", action="store_true", help="leave out everything that uses the true reward")
    inspect.add_argument(
        "--codec", choices=("h264", "vp9"), default="h264", help="video codec of the clips (default: %(default)s)"
    )
    inspect.add_argument("--seed", type=int, default=10_000, help="seed of the steps in new environments (default: %(default)s)")
    inspect.add_argument("--beside", action="store_true", help=argparse.SUPPRESS)  # for the page of a run in training
    inspect.set_defaults(run=_inspect)


def _plot(options: argparse.Namespace) -> int:
    from rlhp import analysis

    for path in analysis.plot(options.runs, options.out, options.by):
        say(path)
    return 0


def _status(options: argparse.Namespace) -> int:
    from rlhp.run.status import report

    for folder in options.folders:
        say(report(folder))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import report

    say(report.returns(options.path, options.episodes, options.seed, options.max_steps, options.deterministic))
    return 0


def _film(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import report

    out = options.out or options.path / "policy.mp4"
    say(report.film_policy(options.path, out, options.seconds, options.seed, options.deterministic))
    return 0


def _demonstrate(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import report

    o, out = options, options.out or options.path / "demonstrations"
    say(report.demonstrate(o.path, out, o.episodes, o.best_of, o.seed, o.max_steps, o.deterministic))
    return 0


def _rate(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import rate

    o = options
    if o.teacher is None or len(o.runs) == 1:  # else the policies are filmed anew
        for run in o.runs:
            check_answers(run)
    say(rate.report(o.runs, o.teacher, o.out, groups=o.groups, games=o.games, anchor=o.anchor, seed=o.seed))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    if options.beside:
        os.nice(NICENESS)
    check_opengl()
    from rlhp import inspect

    check_answers(options.path)
    found = inspect.inspect(options.path, options.out, blind=options.blind, codec=options.codec, seed=options.seed)
    say(found.text())
    return int(found.verdict is inspect.Outcome.FLAGGED)
