"""The `rlhp` command. What a user did wrong gets one sentence and exit status 2; what we did wrong gets a traceback."""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rlhp import __version__, renamed
from rlhp.errors import sentence
from rlhp.types import UserError, escaped

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
EPILOG = """\
examples:
  rlhp train env=hopper                         train (rlhp train --help lists all there is to choose from)
  rlhp train teacher=human                      train from your own preferences, given at a page
  rlhp extend runs/main/RUN total_steps=2e6     go on with a run that is finished
  rlhp annotate runs/main/RUN                      that page, for any run
  rlhp play env=pong -o demonstrations/me       act yourself, and keep it as demonstrations
  rlhp answers runs/main/RUN                     who answered what, how fast, and how far people agree
  rlhp export runs/main/RUN answers.jsonl        the answers as a file (rlhp import brings them back)
  rlhp fit comparisons.npz                      a reward model from comparisons that are there already
  rlhp plot runs/main -o curves.png             learning curves of every run below runs/main, and their CSV
  rlhp status runs/first_light                  how far a sweep has come, and how long it will take
  rlhp evaluate runs/main/RUN --episodes 20     its true return
  rlhp rate runs/main/RUN                       Elo ratings of its policy over time, from the answers it was given
  rlhp film runs/main/RUN -o policy.mp4         what it looks like
  rlhp inspect runs/main/RUN                    what its learned reward is worth, as a report
"""


BEHIND = 19  # of niceness: what a page computes never slows a training


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status.

    0; 1: doctor found something missing, or inspect a fault; 2: the user can mend it; 130: stopped; 141: nobody reads what it
    prints.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _dispatch(arguments)
        finally:
            _flush()  # here, where a reader that has gone can still be dealt with
    except KeyboardInterrupt:
        print("\nrlhp: stopped; a training goes on from its last checkpoint when the same command is run again", file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _unread():
            return 141  # as the shell reports a program that SIGPIPE has ended
        told = sentence(error)
        if told is None:
            raise
        print(f"rlhp: {escaped(' '.join(told.splitlines()))}", file=sys.stderr)
        return 2


def _flush() -> None:
    if sys.stdout is not None:  # closed by whoever started us
        sys.stdout.flush()


def _unread() -> bool:
    """Whether whoever read our output has gone; nothing goes there any more then, or Python would complain on leaving."""
    watch, closed = select.poll(), False
    for stream in (1, 2):
        watch.register(stream, 0)
    for stream, _ in watch.poll(0):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
        closed = True
    return closed


def _say(text: object) -> None:
    """Print text that may hold names of other people's making."""
    print(escaped(str(text), keep="\n\t"))


def _dispatch(arguments: list[str]) -> int:
    parser, commands = _parser()
    if not arguments:
        parser.print_help()
        return 2
    first, rest = renamed.COMMANDS.get(arguments[0], arguments[0]), arguments[1:]
    if first != arguments[0]:
        print(f"rlhp: {renamed.sentence(f'rlhp {arguments[0]}', f'rlhp {first}')}", file=sys.stderr)
    if first in HYDRA:
        return HYDRA[first](rest)
    if not first.startswith("-") and first not in commands:
        raise UserError(_unknown(first, commands))
    options = parser.parse_args([first, *rest])
    return options.run(options)


def _unknown(word: str, commands: Sequence[str]) -> str:
    if "=" in word:
        return f"settings come after a command: rlhp train {word}"
    near = get_close_matches(word, commands, n=1, cutoff=0.0)[0]
    return f"there is no command {word!r}: did you mean {near!r}? The commands are {', '.join(commands)}"


def _parser() -> tuple[argparse.ArgumentParser, list[str]]:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("rlhp", description="Deep RL from human preferences.", epilog=EPILOG, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"rlhp {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.add_parser("train", help="train an agent; settings follow as KEY=VALUE", add_help=False)
    commands.add_parser(
        "fit", help="fit a reward model to comparisons that are there already, without an environment", add_help=False
    )
    commands.add_parser("play", help="act in an environment yourself, at a page, and keep it as demonstrations", add_help=False)
    add: Callable[..., argparse.ArgumentParser] = commands.add_parser
    _extend_parser(add("extend", help="go on with a run to more steps and labels, in its own directory"))
    plot = add("plot", help="learning curves over seeds, and the CSV behind them")
    plot.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories, or folders of them")
    plot.add_argument(
        "-o", "--out", type=Path, default=Path("curves.png"), metavar="FILE", help="the picture (default: %(default)s)"
    )
    plot.add_argument(
        "--by", action="append", default=[], metavar="KEY", help="one line per value of this setting, such as labels; repeatable"
    )
    plot.set_defaults(run=_plot)
    status = add("status", help="a sweep at a glance: what is done, runs, failed; the time left")
    status.add_argument("folder", type=Path, metavar="RUNS", help="a run directory, or a folder of them")
    status.set_defaults(run=_status)
    evaluate = add("evaluate", help="a finished or running run's true return")
    evaluate.add_argument("--episodes", type=int, default=10, help="complete episodes (default: %(default)s)")
    evaluate.add_argument(
        "--max-steps", type=int, default=100_000, help="give up on an episode that is longer (default: %(default)s)"
    )
    evaluate.set_defaults(run=_evaluate)
    film = add("film", help="a video of a run's policy")
    film.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="an .mp4 or .webm (default: policy.mp4 in the run directory)"
    )
    film.add_argument("--seconds", type=float, default=10.0, help="simulated seconds (default: %(default)s)")
    film.set_defaults(run=_film)
    shown = add("demonstrate", help="record a run's policy as demonstrations, a dataset of Minari's")
    shown.add_argument("--episodes", type=int, default=16, help="whole episodes to keep (default: %(default)s)")
    shown.add_argument("--best-of", type=int, metavar="N", help="record N and keep the best by true return (default: the first)")
    shown.add_argument("-o", "--out", type=Path, metavar="FOLDER", help="where to (default: demonstrations in the run directory)")
    shown.add_argument(
        "--max-steps", type=int, default=100_000, help="give up on an episode that is longer (default: %(default)s)"
    )
    shown.set_defaults(run=_demonstrate)
    for command in (evaluate, film, shown):
        command.add_argument("path", type=Path, metavar="RUN", help="a run directory")
        command.add_argument(
            "--seed", type=int, default=10_000, help="of the starting states and drawn actions (default: %(default)s)"
        )
        how = command.add_mutually_exclusive_group()
        how.add_argument(
            "--deterministic",
            action="store_true",
            default=None,
            help="take the policy's mean, or likeliest, action (default where actions are continuous)",
        )
        how.add_argument(
            "--stochastic",
            action="store_false",
            dest="deterministic",
            default=None,
            help="draw actions from the policy, as in training (default where they are discrete, as in games)",
        )
    _annotate_parser(add("annotate", help="a page at which people compare the clips of a run, or of all runs in a folder"))
    _answers_parsers(add)
    _rate_parser(add("rate", help="Elo ratings: of a run's policy at different steps, or of several runs' policies"))
    _inspect_parser(
        add("inspect", help="whether a learned reward can be trusted: a report, and exit status 1 where it has a fault")
    )
    add("doctor", help="what is missing on this machine, and what mends it").set_defaults(run=_doctor)
    return parser, list(commands.choices)


def _extend_parser(extend: argparse.ArgumentParser) -> None:
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


def _answers_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    answers = add("answers", help="counts, times and agreement of those who answered")
    answers.set_defaults(run=_answers)
    export = add(
        "export",
        help="a run's answers as a file (.jsonl for rlhp import, .parquet for offline preference learners), or its clips",
    )
    export.add_argument("--flagged", action="store_true", help="with the answers that their annotators have taken back")
    export.add_argument("--parquet", action="store_const", const=".parquet", help="write Parquet, whatever the file is called")
    export.add_argument(
        "--minari",
        type=Path,
        metavar="FOLDER",
        help="write the clips that were asked about as a dataset of Minari's, in place of FILE",
    )
    export.set_defaults(run=_export)
    bring = add(
        "import",
        help="answers from a file: of rlhp export, into a run with the same questions; or of anybody's, into a new folder",
        description="The answers of a .jsonl file that rlhp export has written go into a run that holds the same questions. "
        "A data set of anybody's (.npz, .parquet or .jsonl: two segments and a label a row) goes into a new folder, which "
        "rlhp answers, rlhp export and rlhp fit read.",
    )
    bring.set_defaults(run=_import)
    _columns_options(bring)
    for command in (answers, export, bring):
        command.add_argument("path", type=Path, metavar="RUN", help="a run directory")
    export.add_argument("file", type=Path, nargs="?", metavar="FILE", help="such as answers.jsonl")
    bring.add_argument("file", type=Path, metavar="FILE", help="such as answers.jsonl, or comparisons.npz")


def _columns_options(command: argparse.ArgumentParser) -> None:
    """How a data set of anybody's is read."""
    command.add_argument(
        "--columns",
        default="",
        metavar="WHAT=COLUMN,...",
        help="where left.obs, left.act, right.obs, right.act and label stand, and if there are any left.reward, right.reward and "
        "annotator (default: as in the data sets of IPL, Preference Transformer and Uni-RLHF, or of rlhp export)",
    )
    command.add_argument("--one", choices=("left", "right"), help="the segment that a label of 1 prefers")
    command.add_argument("--minus-one", choices=("equal", "unsure"), help="what a label of -1 says")


def _rate_parser(rate: argparse.ArgumentParser) -> None:
    rate.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directories of one task")
    rate.add_argument(
        "--teacher",
        choices=("oracle", "noisy"),
        help="who compares clips: of one run, those that it asked about; of several, new ones of their policies (default: the "
        "stored answers)",
    )
    rate.add_argument(
        "--groups", type=int, default=10, metavar="N", help="of a run's steps, a rating each (default: %(default)s)"
    )
    rate.add_argument("--games", type=int, default=100, metavar="N", help="of each two, with --teacher (default: %(default)s)")
    rate.add_argument("--anchor", metavar="NAME", help="whose rating is 0, a name of the table (default: the mean is)")
    rate.add_argument("--seed", type=int, default=10_000, help="of new clips and of who meets (default: %(default)s)")
    rate.add_argument("-o", "--out", type=Path, metavar="FILE", help="write the table as a .csv too")
    rate.set_defaults(run=_rate)


def _inspect_parser(inspect: argparse.ArgumentParser) -> None:
    inspect.add_argument(
        "path", type=Path, metavar="RUN", help="a run directory of rlhp train or rlhp fit; it may be in training"
    )
    inspect.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the report, one .html file (default: inspect.html in the run directory)"
    )
    inspect.add_argument("--blind", action="store_true", help="leave out all that the true reward tells")
    inspect.add_argument("--codec", choices=("h264", "vp9"), default="h264", help="of the clips (default: %(default)s)")
    inspect.add_argument("--seed", type=int, default=10_000, help="of the steps in new environments (default: %(default)s)")
    inspect.add_argument("--beside", action="store_true", help=argparse.SUPPRESS)  # by a page, beside a training
    inspect.set_defaults(run=_inspect)


def _annotate_parser(annotate: argparse.ArgumentParser) -> None:
    annotate.add_argument(
        "path",
        type=Path,
        metavar="RUN",
        help="a run directory, in training, stopped or finished; or a folder, all runs below which are served together",
    )
    annotate.add_argument("--host", help="where to listen (default: 127.0.0.1, this machine alone)")
    annotate.add_argument("--port", type=int, help="or the next that is free (default: 8321)")
    annotate.add_argument(
        "--annotator", action="append", default=[], metavar="NAME", help="print a link for this person; repeatable"
    )
    annotate.add_argument(
        "--public", metavar="ADDRESS", help="of a proxy in front of the page, as https://label.example.org/hopper"
    )
    annotate.add_argument("--overlap", type=int, metavar="K", help="people who answer the same question (default: 1)")
    annotate.add_argument(
        "--repeats", type=float, metavar="SHARE", help="of pairs shown once more, sides swapped (default: 0.05)"
    )
    annotate.add_argument("--minimum-view", type=float, metavar="SECONDS", help="before a pair can be answered (default: 1)")
    annotate.add_argument("--codec", choices=("h264", "vp9"), help="of the clips (default: h264)")
    annotate.add_argument("--size", type=int, metavar="PIXELS", help="of a clip, both ways (default: 600)")
    annotate.add_argument("--beside", action="store_true", help=argparse.SUPPRESS)  # started by a training
    annotate.set_defaults(run=_annotate)


def _check_opengl() -> None:
    """MuJoCo cannot even be imported where MUJOCO_GL asks for what is not there. Raises UserError."""
    wanted = os.environ.get("MUJOCO_GL")
    if wanted:
        try:
            import_module("mujoco")
        except Exception as error:  # PyOpenGL raises what it likes
            raise UserError(
                f"MUJOCO_GL={wanted} cannot be used here ({error}); unset it, or set it to egl (rlhp doctor says what this needs)"
            ) from error


# The commands import what they need when they are run: `rlhp --help` answers at once.


def _train(arguments: list[str]) -> int:
    if arguments in (["--help"], ["-h"]):
        _say(TRAIN_HELP.format(groups=_groups()))
        return 0
    _check_opengl()
    from rlhp import report, train
    from rlhp.run import finished

    run = train.main(arguments, report.score)
    if run is not None and finished(run):  # else it was stopped from its page, which was said
        report.print_report(run)
    return 0


def _extend(options: argparse.Namespace) -> int:
    _check_opengl()
    from rlhp import report, train
    from rlhp.run import finished

    train.extend(options.path, options.settings, options.exact)
    if finished(options.path):
        report.print_report(options.path)
    return 0


def _fit(arguments: list[str]) -> int:
    options, settings = _fit_parser().parse_known_args(arguments)
    _check_opengl()
    from rlhp import answers, report, train

    o = options
    run = train.fit(o.data, settings, report.fit_score, answers.parsed(o.columns), o.one, o.minus_one)
    if run is not None:
        report.print_fit_report(run)
    return 0


def _fit_parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    usage = "rlhp fit [-m] DATA [--columns WHAT=COLUMN,...] [--one SIDE] [--minus-one SAYS] [KEY=VALUE ...]"
    parser = argparse.ArgumentParser(
        "rlhp fit", usage=usage, description=FIT_HELP, epilog=FIT_EPILOG, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="a .npz, .parquet or .jsonl file, a run, or a folder of rlhp import"
    )
    _columns_options(parser)
    return parser


def _play(arguments: list[str]) -> int:
    options, settings = _play_parser().parse_known_args(arguments)
    _check_opengl()
    from rlhp.play import play

    o = options
    _say(play(settings, o.out, o.config_dir, o.seed, o.speed, o.host, o.port))
    return 0


def _play_parser() -> argparse.ArgumentParser:
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


HYDRA: dict[str, Callable[[list[str]], int]] = {"train": _train, "fit": _fit, "play": _play}  # commands with settings


def _groups() -> str:
    """The names in each group of the configuration."""
    found: dict[str, list[str]] = {}

    def walk(folder: Traversable, group: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda e: e.name):
            if entry.is_dir() and not entry.name.startswith("_"):
                walk(entry, f"{group}/{entry.name}".strip("/"))
            elif group and entry.name.endswith(".yaml"):
                found.setdefault(group, []).append(entry.name.removesuffix(".yaml"))

    walk(files("rlhp.conf"), "")
    width = max(map(len, found))
    return "\n".join(f"  {group:<{width}}  {', '.join(names)}" for group, names in sorted(found.items()))


def _plot(options: argparse.Namespace) -> int:
    from rlhp import analysis

    for path in analysis.plot(options.runs, options.out, options.by):
        _say(path)
    return 0


def _status(options: argparse.Namespace) -> int:
    from rlhp.analysis.status import report

    _say(report(options.folder))
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    _check_opengl()
    from rlhp import report

    _say(report.returns(options.path, options.episodes, options.seed, options.max_steps, options.deterministic))
    return 0


def _film(options: argparse.Namespace) -> int:
    _check_opengl()
    from rlhp import report

    out = options.out or options.path / "policy.mp4"
    _say(report.film_policy(options.path, out, options.seconds, options.seed, options.deterministic))
    return 0


def _demonstrate(options: argparse.Namespace) -> int:
    _check_opengl()
    from rlhp import report

    o, out = options, options.out or options.path / "demonstrations"
    _say(report.demonstrate(o.path, out, o.episodes, o.best_of, o.seed, o.max_steps, o.deterministic))
    return 0


def _annotate(options: argparse.Namespace) -> int:
    _check_opengl()
    from rlhp import web

    names = ("host", "port", "overlap", "repeats", "minimum_view", "codec", "size", "public")
    web.annotate(options.path, {name: getattr(options, name) for name in names}, options.annotator, options.beside)
    return 0


def _answers(options: argparse.Namespace) -> int:
    from rlhp import answers

    _say(answers.text(answers.report(options.path)))
    return 0


def _rate(options: argparse.Namespace) -> int:
    _check_opengl()
    from rlhp import rate

    o = options
    _say(rate.report(o.runs, o.teacher, o.out, groups=o.groups, games=o.games, anchor=o.anchor, seed=o.seed))
    return 0


def _inspect(options: argparse.Namespace) -> int:
    if options.beside:
        os.nice(BEHIND)
    _check_opengl()
    from rlhp import inspect

    found = inspect.inspect(options.path, options.out, blind=options.blind, codec=options.codec, seed=options.seed)
    _say(found.text())
    return int(found.verdict is inspect.Outcome.FLAGGED)


def _export(options: argparse.Namespace) -> int:
    if (options.file is None) == (options.minari is None):
        raise UserError("name one thing to write: a FILE such as answers.jsonl, or a folder with --minari.")
    if options.minari is not None:
        _check_opengl()
        from rlhp import report

        _say(report.export_minari(options.path, options.minari))
        return 0
    from rlhp import answers

    _say(answers.export_labels(options.path, options.file, options.parquet, options.flagged))
    return 0


def _import(options: argparse.Namespace) -> int:
    from rlhp import answers

    o = options
    _say(answers.import_file(o.path, o.file, answers.parsed(o.columns), o.one, o.minus_one))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from rlhp import doctor

    return doctor.main()


if __name__ == "__main__":
    sys.exit(main())
