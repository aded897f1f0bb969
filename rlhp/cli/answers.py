"""Commands about answers: the annotation page, statistics, and files."""

from __future__ import annotations

import argparse
from pathlib import Path

from rlhp.cli.common import Add, check_answers, check_opengl, say
from rlhp.types import UserError


def add_commands(add: Add) -> None:
    """Add the commands."""
    _annotate_options(add("annotate", help="serve the page on which people compare clips of a run, or of all runs in a folder"))
    _answers_options(add("answers", help="counts, times and agreement of the annotators"))
    _export_options(
        add(
            "export",
            help="write a run's answers (.jsonl for rlhp import, .parquet for offline preference learning) or its clips",
        )
    )
    _import_options(
        add(
            "import",
            help="read answers from a file of rlhp export into a run, or comparisons from another data set into a new folder",
        )
    )


def _annotate_options(annotate: argparse.ArgumentParser) -> None:
    annotate.add_argument(
        "path",
        type=Path,
        metavar="RUN",
        help="a run directory, in training, stopped or finished; or a folder, to serve all runs below it",
    )
    annotate.add_argument("--host", help="address to listen on (default: 127.0.0.1, this machine only)")
    annotate.add_argument("--port", type=int, help="port, or the next free one (default: 8321)")
    annotate.add_argument(
        "--annotator", action="append", default=[], metavar="NAME", help="print a link for this annotator; repeatable"
    )
    annotate.add_argument(
        "--public", metavar="ADDRESS", help="address of a proxy in front of the page, such as https://label.example.org/hopper"
    )
    annotate.add_argument("--overlap", type=int, metavar="K", help="annotators per query (default: 1)")
    annotate.add_argument(
        "--repeats", type=float, metavar="SHARE", help="share of queries that are shown again, with sides swapped (default: 0.05)"
    )
    annotate.add_argument(
        "--minimum-view", type=float, metavar="SECONDS", help="time before a query can be answered (default: 1)"
    )
    annotate.add_argument("--codec", choices=("h264", "vp9"), help="video codec of the clips (default: h264)")
    annotate.add_argument("--size", type=int, metavar="PIXELS", help="width and height of a clip (default: 600)")
    annotate.add_argument("--beside", action="store_true", help=argparse.SUPPRESS)  # for a page that a training starts
    annotate.set_defaults(run=_annotate)


def _run_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", type=Path, metavar="RUN", help="a run directory")


def _answers_options(answers: argparse.ArgumentParser) -> None:
    _run_argument(answers)
    answers.set_defaults(run=_answers)


def _export_options(export: argparse.ArgumentParser) -> None:
    _run_argument(export)
    export.add_argument("file", type=Path, nargs="?", metavar="FILE", help="such as answers.jsonl")
    export.add_argument("--flagged", action="store_true", help="include answers that their annotators flagged as mistakes")
    export.add_argument("--parquet", action="store_const", const=".parquet", help="write Parquet, whatever the file's suffix")
    export.add_argument(
        "--minari",
        type=Path,
        metavar="FOLDER",
        help="write the segments of all queries as a Minari dataset, instead of FILE",
    )
    export.set_defaults(run=_export)


def _import_options(command: argparse.ArgumentParser) -> None:
    command.description = (
        "Answers from a .jsonl file of rlhp export are added to a run with the same queries. Any other data set (.npz, .parquet "
        "or .jsonl, each row two segments and a label) is written to a new folder, which rlhp answers, rlhp export and rlhp fit "
        "read."
    )
    _run_argument(command)
    command.add_argument("file", type=Path, metavar="FILE", help="such as answers.jsonl, or comparisons.npz")
    columns_options(command)
    command.set_defaults(run=_import)


def columns_options(command: argparse.ArgumentParser) -> None:
    """Add the options for reading data sets of other projects."""
    command.add_argument(
        "--columns",
        default="",
        metavar="WHAT=COLUMN,...",
        help="columns of left.obs, left.act, right.obs, right.act and label, and optionally of left.reward, right.reward and "
        "annotator (default: as in the data sets of IPL, Preference Transformer and Uni-RLHF, or of rlhp export)",
    )
    command.add_argument("--one", choices=("left", "right"), help="the segment that a label of 1 prefers")
    command.add_argument("--minus-one", choices=("equal", "unsure"), help="the answer that a label of -1 stands for")


def _annotate(options: argparse.Namespace) -> int:
    check_opengl()
    from rlhp import web

    check_answers(options.path)
    names = ("host", "port", "overlap", "repeats", "minimum_view", "codec", "size", "public")
    web.annotate(options.path, {name: getattr(options, name) for name in names}, options.annotator, options.beside)
    return 0


def _answers(options: argparse.Namespace) -> int:
    from rlhp import answers

    check_answers(options.path)
    say(answers.text(answers.report(options.path)))
    return 0


def _export(options: argparse.Namespace) -> int:
    if (options.file is None) == (options.minari is None):
        raise UserError("give either a FILE such as answers.jsonl or a folder with --minari.")
    check_answers(options.path)
    if options.minari is not None:
        check_opengl()
        from rlhp import report

        say(report.export_minari(options.path, options.minari))
        return 0
    from rlhp import answers

    say(answers.export_labels(options.path, options.file, options.parquet, options.flagged))
    return 0


def _import(options: argparse.Namespace) -> int:
    from rlhp import answers

    o = options
    check_answers(o.path)
    say(answers.import_file(o.path, o.file, answers.parsed(o.columns), o.one, o.minus_one))
    return 0
