"""Format the results of `nmt evaluate` as a table: scores, search options, signatures and files."""

from collections.abc import Sequence
from typing import Any

from nmt.decoding.search_options import SearchOptions
from nmt.reports.table import table


def evaluation_table(results: Sequence[dict[str, Any]]) -> str:
    """Return a table of the `results` of several splits with the same model and options."""
    first = results[0]
    head = ("split", "sentences", "loss", "perplexity", *(score["name"] for score in first["scores"]))
    head += ("length ratio", "sentences/s", "target tokens/s")
    rows = [
        (
            result["split"],
            f"{result['sentences']:,}",
            "none" if result["loss"] is None else f"{result['loss']:.4f}",
            "none" if result["loss"] is None else f"{result['perplexity']:.2f}",
            *(f"{score['score']:.2f}" for score in result["scores"]),
            "none" if result["length_ratio"] is None else f"{result['length_ratio']:.3f}",
            f"{result['sentences_per_second']:,.1f}",
            f"{result['target_tokens_per_second']:,.0f}",
        )
        for result in results
    ]
    notes = [
        ("model", " + ".join(first["models"])),
        ("search", f"{search_text(first['search'])}, {first['arithmetic']}"),
        *((score["name"], score["signature"]) for score in first["scores"]),
        *(("saved in", result["hypotheses"]) for result in results if result["hypotheses"]),
    ]
    return f"{table([head, *rows], right=frozenset(range(1, len(head))))}\n\n{table(notes)}"


def search_text(search: dict[str, Any]) -> str:
    """Return the search options, leaving out those that are off."""
    parts = [
        "greedy" if search["method"] == "greedy" else f"beam {search['beam_size']}",
        f"length penalty {search['length_penalty']}",
        f"alpha {search['alpha']:g}",
        f"coverage penalty {search['coverage_penalty']:g}",
        search["beam_prune"] and f"prune {search['beam_prune']:g}",
        search["max_repeats"] != SearchOptions.max_repeats and f"max repeats {search['max_repeats']}",
        search["no_repeat_ngram"] and f"no {search['no_repeat_ngram']}-gram twice",
        search["repetition_penalty"] != 1 and f"repetition penalty {search['repetition_penalty']:g}",
        search["replace_unknown"] and "unknown words replaced",
        search["shortlist"] and f"shortlist {search['shortlist']}",
    ]
    return ", ".join(part for part in parts if part)
