"""Format the result of `nmt rerank --tune`: the weights of the features, and BLEU before and after."""

from collections.abc import Sequence

from nmt.reports.table import table


def rerank_table(weights: Sequence[tuple[str, float, str]], before: float, after: float, signature: str) -> str:
    """Return two tables: the features, each with its name, weight and model, and BLEU by the score alone and by all."""
    rows = [(name, f"{weight:.4f}", model) for name, weight, model in weights]
    scores = [("hypotheses by", "BLEU"), ("score of the list", f"{before:.2f}"), ("all features", f"{after:.2f}")]
    features = table([("feature", "weight", "model"), *rows], right=frozenset({1}))
    return f"{features}\n\n{table(scores, right=frozenset({1}))}\n\nBLEU  {signature}"
