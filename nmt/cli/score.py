"""`nmt score`: BLEU, chrF and TER of finished translations."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.cli.parsing import Command

if TYPE_CHECKING:
    from nmt.evaluation.metrics import Named, Score
    from nmt.evaluation.significance import System


@click.command(cls=Command)
@click.argument("hypotheses", nargs=-1, type=click.Path(path_type=Path, allow_dash=True), metavar="[HYP]...")
@click.option(
    "-r",
    "--reference",
    "references",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Reference translation, plain or .gz; give it again for further references.",
)
@click.option("-m", "--metrics", default="bleu,chrf,ter", show_default=True, help="Of bleu, chrf, chrf++, ter.")
@click.option(
    "--tokenize", "-tok", default="13a", show_default=True, help="sacreBLEU's tokeniser: 13a, none, zh, intl, …"
)
@click.option("--lowercase", "-lc", is_flag=True, help="Ignore case in BLEU and chrF (TER always does).")
@click.option("--paired", "--paired-bs", is_flag=True, help="Paired bootstrap test against the first HYP.")
@click.option(
    "--paired-bs-n",
    "samples",
    type=click.IntRange(1, 10_000),
    help="Resampled test sets of the paired test; default 1000.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=1),
    help="Seed of the paired test; default $SACREBLEU_SEED, else 12345.",
)
@click.option("-w", "--width", type=click.IntRange(0, 12), default=2, show_default=True, help="Decimals.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with full precision.")
@click.option("-b", "--score-only", is_flag=True, help="Print the numbers only: a line a system, tabs between metrics.")
def command(
    hypotheses: tuple[Path, ...],
    references: tuple[Path, ...],
    metrics: str,
    tokenize: str,
    lowercase: bool,
    paired: bool,
    samples: int | None,
    seed: int | None,
    width: int,
    as_json: bool,
    score_only: bool,
) -> None:
    """Score translations, each HYP one file with one line a sentence; without HYP (or with -) those on stdin.

    \b
    nmt translate < test.en | nmt score -r test.de
    nmt score -r test.de baseline.txt new.txt --paired
    """
    from nmt.data.lines import read_lines, stream_lines
    from nmt.evaluation.metrics import METRICS, advice, check_lengths, corpus_scores
    from nmt.evaluation.significance import paired_bootstrap
    from nmt.files import standard_input, standard_output

    if as_json and score_only:
        raise click.UsageError("give --json or --score-only, not both")
    if paired and score_only:
        raise click.UsageError("--score-only leaves out what --paired finds; give one of them, or --json")
    if paired and len(hypotheses) < 2:
        raise click.UsageError("--paired compares systems: give two files or more")
    if sum(str(path) == "-" for path in hypotheses) > 1:
        raise click.UsageError("'-' (stdin) can be given once only")
    if not paired and (samples is not None or seed is not None):
        raise click.UsageError("--paired-bs-n and --seed go with --paired")
    wanted = metrics.lower().replace(",", " ").split()
    if not wanted:
        raise click.UsageError(f"--metrics names none; take some of {', '.join(METRICS)}")
    truths: list[Named] = [(str(path), list(read_lines(path))) for path in references]
    systems: list[Named] = [
        ("stdin", list(stream_lines(standard_input()))) if str(path) == "-" else (str(path), list(read_lines(path)))
        for path in hypotheses or (Path("-"),)
    ]
    check_lengths(systems, truths)
    standard_output()
    lines = [truth for _, truth in truths]
    if hint := advice(systems[0][1], lines[0], tokenize):
        click.echo(f"nmt score: {hint}", err=True)
    if paired:
        compared = paired_bootstrap(systems, lines, wanted, tokenize, lowercase, samples or 1000, seed)
        click.echo(_paired(compared, width, as_json))
    else:
        scored = [(name, corpus_scores(system, lines, wanted, tokenize, lowercase)) for name, system in systems]
        click.echo(_plain(scored, width, as_json, score_only))


def _plain(scored: "list[tuple[str, list[Score]]]", width: int, as_json: bool, score_only: bool) -> str:
    from nmt.reports.table import table

    if score_only:
        return "\n".join("\t".join(f"{score.value:.{width}f}" for score in scores) for _, scores in scored)
    if as_json:
        return _json([
            {"system": name, "scores": [{"name": s.name, "score": s.value, "signature": s.signature} for s in scores]}
            for name, scores in scored
        ])  # fmt: skip
    if len(scored) == 1:
        rows = [(score.name, f"{score.value:.{width}f}", score.signature) for score in scored[0][1]]
        return table([("metric", "score", "signature"), *rows], right=frozenset({1}))
    columns = range(1, 1 + len(scored[0][1]))
    head = ("system", *(score.name for score in scored[0][1]))
    rows_of_systems = [(name, *(f"{score.value:.{width}f}" for score in scores)) for name, scores in scored]
    return f"{table([head, *rows_of_systems], right=frozenset(columns))}\n\n{_signatures(scored[0][1])}"


def _paired(systems: "list[System]", width: int, as_json: bool) -> str:
    from nmt.reports.table import table

    if as_json:
        return _json([
            {
                "system": system.name,
                "scores": [
                    {
                        "name": e.score.name, "score": e.score.value, "mean": e.mean, "confidence": e.half_width,
                        "p_value": e.p_value, "signature": e.score.signature,
                    }
                    for e in system.estimates
                ],
            }
            for system in systems
        ])  # fmt: skip
    rows = [("system", *(f"{e.score.name} (mean ± 95%)" for e in systems[0].estimates))]
    for number, system in enumerate(systems):
        cells = []
        for e in system.estimates:
            chance = "" if e.p_value is None else f" p={e.p_value:.4f}{'*' if e.p_value < 0.05 else ' '}"
            cells.append(f"{e.score.value:.{width}f} ({e.mean:.{width}f} ± {e.half_width:.{width}f}){chance}")
        rows.append((system.name + (" (baseline)" if number == 0 else ""), *cells))
    legend = "p: chance of so large a difference to the baseline if there were none; * below 0.05"
    return f"{table(rows)}\n\n{legend}\n{_signatures([e.score for e in systems[0].estimates])}"


def _signatures(scores: "list[Score]") -> str:
    from nmt.reports.table import table

    return table([(score.name, score.signature) for score in scores])


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
