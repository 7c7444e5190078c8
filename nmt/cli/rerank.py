"""`nmt rerank`: choose the best hypothesis of each n-best list with further models."""

from typing import Any

import click

from nmt.cli import options
from nmt.cli.load import load
from nmt.cli.log_output import show_log
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command, check_usage


@click.command(cls=Command)
@click.option(
    "--input", "-i", "lists", type=FILE, metavar="FILE",
    help="The n-best lists, from nmt translate --n-best N --format json; default stdin.",
)  # fmt: skip
@click.option("--source", "-s", type=FILE, help="The translated lines: check that the lists are theirs, in this order.")
@click.option(
    "--backward", type=FILE, metavar="RUN", help="Model of the opposite direction: log p(source | hypothesis)."
)
@click.option(
    "--model", "-m", "models", type=FILE, multiple=True, metavar="RUN",
    help="A further model of the same direction: log p(hypothesis | source); may be repeated.",
)  # fmt: skip
@click.option(
    "--weights", "-w", type=FILE, required=True, metavar="FILE",
    help="JSON file with the weights of the features; --tune writes it.",
)  # fmt: skip
@click.option("--tune", is_flag=True, help="Find the weights with the highest BLEU on these lists; needs --reference.")
@click.option(
    "--reference", "-r", "references", type=FILE, multiple=True,
    help="With --tune: reference translations, line by line; repeat it for further references.",
)  # fmt: skip
@click.option("--tokenize", "-tok", help="With --tune: tokeniser of BLEU; the default depends on the language.")
@click.option("--seed", type=int, help="With --tune: seed of the random starts; default 1.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]),
    help="text (default): the best hypothesis of each list. json: all, the best first, with features and new score.",
)  # fmt: skip
@click.option("--output", "-o", type=FILE, help="Output file; default stdout.")
@click.option("--tag", default="", help="Tag for the models of --model, put before each source line that has none.")
@click.option(
    "--backward-tag", default="", metavar="TAG", help="Tag for the backward model, put before each hypothesis."
)
@click.option("--tokens-per-batch", type=click.IntRange(1), help="Tokens per batch.")
@options.machine
@options.quiet
def command(**given: Any) -> None:
    """Rerank n-best lists: print the hypothesis with the highest weighted sum of its features.

    The features are the score in the list, the log-probabilities of the models per token, and the length (characters
    per source character). Tune the weights on the n-best lists of a validation set.

    \b
    nmt translate -m AB -n 10 --format json < valid.a > valid.json
    nmt rerank --tune -r valid.b --backward BA --weights weights.json < valid.json
    nmt translate -m AB -n 10 --format json < test.a | nmt rerank --backward BA --weights weights.json
    """
    check_usage(
        (given["tune"] and not given["references"], "--tune needs --reference FILE"),
        (not given["tune"] and given["references"], "--reference is for --tune; leave it out"),
        *(
            (not given["tune"] and given[name] is not None, f"--{name} is for --tune; leave it out")
            for name in ("tokenize", "seed")
        ),
        *(
            (given["tune"] and given[name] is not None, f"--tune prints a table: leave out {flag}")
            for name, flag in (("form", "--format"), ("output", "--output"))
        ),
        (given["backward_tag"] and given["backward"] is None, "--backward-tag needs --backward RUN"),
        (given["tag"] and not given["models"], "--tag is for the models of --model; give one"),
    )
    from nmt.decoding.loading import find_checkpoints
    from nmt.decoding.rerank_features import features_of
    from nmt.decoding.rerank_lines import RerankJob, rerank_lines
    from nmt.decoding.rerank_weights import read_weights
    from nmt.storage.standard_streams import standard_output

    show_log(given["quiet"])
    standard_output()
    weights = None if given["tune"] else read_weights(given["weights"])
    backward = None if given["backward"] is None else load(find_checkpoints([given["backward"]], None), given)
    models = [load(find_checkpoints([model], None), given) for model in given["models"]]
    features = features_of(backward, models, given["tag"], given["backward_tag"])
    job = RerankJob(features, given["lists"], given["source"], given["tokens_per_batch"])
    if weights is not None:
        weights.check(features, given["weights"])
        rerank_lines(job, weights, given["output"], given["form"] or "text")
        return
    from nmt.evaluation.metrics import Scoring
    from nmt.evaluation.rerank_tuning import default_tokenizer_of, tune
    from nmt.reports.rerank_table import rerank_table

    scoring = Scoring(tokenize=given["tokenize"] or default_tokenizer_of(features))
    seed = 1 if given["seed"] is None else given["seed"]
    tuned = tune(job, given["references"], scoring, seed, given["weights"])
    rows = [(*feature, weight) for feature, weight in zip(tuned.weights.features, tuned.weights.values, strict=True)]
    shown = [(name, weight, model) for name, model, _, weight in rows]
    click.echo(rerank_table(shown, tuned.bleu_before, tuned.bleu, tuned.signature))
