"""`nmt evaluate`: translate a test set and score it."""

import functools
from typing import Any

import click

from nmt.cli import metric_options, options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command
from nmt.errors import NmtError


@click.command(cls=Command)
@options.model
@click.option("--split", help="valid, a name under data.test, or all; default test.")
@click.option("--source", "-s", type=FILE, help="Evaluate on this file in place of a split.")
@click.option(
    "--reference", "-r", "references", type=FILE, multiple=True, help="Its translation; give several if you have."
)
@options.tag
@click.option("--tokenize", "-tok", help="BLEU's tokeniser; default that of the target language. See nmt score.")
@metric_options.of_metrics
@options.search
@options.machine
@click.option("--output", "-o", type=FILE, metavar="FOLDER", help="Where results are kept; default RUN/evaluations.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(**given: Any) -> None:
    """Report loss, perplexity, BLEU, chrF, TER and speed on a test set, and keep the translations.

    What is not given here comes from the `decoding` section of the model's config.
    """
    if (given["source"] is None) != (not given["references"]):
        raise click.UsageError("--source and --reference are given together")
    options.exclude(given, "split", "source")
    options.check_search(given)
    if given["tag"] and given["source"] is None:
        raise click.UsageError("--tag goes with --source; a split has its own in data.test")
    from nmt.decoding.loading import find_checkpoints, load_translator
    from nmt.decoding.translator import Settings
    from nmt.evaluation import test_sets as room
    from nmt.evaluation.metrics import ALL, build, default_tokenizer
    from nmt.evaluation.score_warnings import score_warnings
    from nmt.storage.json_text import dump_json
    from nmt.storage.standard_streams import standard_output

    standard_output()  # before anything is translated
    say = functools.partial(click.echo, err=True)
    found = find_checkpoints(given["models"], given["checkpoint"], say)
    run, config = found[0].run, found[0].config
    asked = {name: given[name] for name in options.SEARCH}
    settings = Settings.of(*(each.config for each in found)).changed(
        method="greedy" if given["greedy"] else None, **asked
    )
    settings.check(each.config for each in found)
    tokenize = given["tokenize"] or default_tokenizer(config.data.target_language)
    scoring = metric_options.scoring(given, tokenize, ALL)
    build("bleu", scoring)
    if given["source"] is not None:
        splits = [room.read_files(given["source"], given["references"], given["tag"])]
    else:
        name = given["split"] or room.default_split(config)
        wanted = room.split_names(config) if name == "all" else [name]
        splits = [room.read_split(config, name, run.config_file) for name in wanted]
    folder = given["output"] or run.folder / "evaluations"
    room.check_folder(folder)
    shortlist = config.decoding.shortlist if given["shortlist"] is None else given["shortlist"]
    loaded = load_translator(found, given["device"], given["precision"], shortlist, say)
    translator = loaded.translator
    for split in splits:  # all, before hours go into the first
        translator.check_tags(split.source, split.tag, split.files[0], split.tag_remedy)
    arithmetic = f"{translator.device.type} {translator.arithmetic}"
    models = [f"{each.config.name}/{each.folder.name}" for each in loaded.checkpoints]
    results: list[dict[str, Any]] = []
    failure: NmtError | None = None
    for split in splits:
        evaluation = room.evaluate(translator, settings, split, scoring, say, loaded.usual_tokens)
        result = room.as_dict(evaluation, models, loaded.weights, settings, shortlist, arithmetic)
        results.append(result | {"hypotheses": None})
        try:
            results[-1]["hypotheses"] = str(room.save(evaluation, result, folder, config))
        except NmtError as error:  # what was found is printed all the same
            failure = error
        hypotheses = [("the translation", evaluation.hypotheses)]
        for hint in score_warnings(hypotheses, split.named_references, scoring=scoring):
            say(f"nmt evaluate: {hint}")
    click.echo(dump_json(results, indent=2, ensure_ascii=False) if given["as_json"] else _table(results))
    if failure is not None:
        raise failure


def _table(results: list[dict[str, Any]]) -> str:
    from nmt.reports.table import table

    names = [score["name"] for score in results[0]["scores"]]
    head = ("split", "sentences", "loss", "perplexity", *names, "sentences/s", "target tokens/s")
    rows = [
        (
            result["split"],
            f"{result['sentences']:,}",
            "none" if result["loss"] is None else f"{result['loss']:.4f}",
            "none" if result["loss"] is None else f"{result['perplexity']:.2f}",
            *(f"{score['score']:.2f}" for score in result["scores"]),
            f"{result['sentences_per_second']:,.1f}",
            f"{result['target_tokens_per_second']:,.0f}",
        )
        for result in results
    ]
    search = results[0]["search"]
    method = "greedy" if search["method"] == "greedy" else f"beam {search['beam_size']}"
    penalty = f"length penalty {search['length_penalty']}, alpha {search['alpha']:g}"
    penalty += f", coverage penalty {search['coverage_penalty']:g}"
    penalty += f", prune {search['beam_prune']:g}" if search["beam_prune"] else ""
    penalty += f", no {search['no_repeat_ngram']}-gram twice" if search["no_repeat_ngram"] else ""
    penalty += f", repetition penalty {search['repetition_penalty']:g}" if search["repetition_penalty"] != 1 else ""
    penalty += ", unknown words replaced" if search["replace_unknown"] else ""
    penalty += f", shortlist {search['shortlist']}" if search["shortlist"] else ""
    notes = [
        ("model", " + ".join(results[0]["models"])),
        ("search", f"{method}, {penalty}, {results[0]['arithmetic']}"),
        *((score["name"], score["signature"]) for score in results[0]["scores"]),
        *(("kept in", result["hypotheses"]) for result in results if result["hypotheses"]),
    ]
    return f"{table([head, *rows], right=frozenset(range(1, len(head))))}\n\n{table(notes)}"
