"""Weights of the new entries of an extended vocabulary (`nmt.data.vocabulary_extension`).

Axes: V entries of the old vocabulary, W >= V entries of the new one.
"""

import torch
from torch import Tensor

from nmt.data.subword import Subword, Vocabularies

SOURCE_WEIGHTS = ("source_embedding.table.weight",)
TARGET_WEIGHTS = ("target_embedding.table.weight", "output.weight", "output.bias")


def extend_rows(weights: dict[str, Tensor], old: Vocabularies, new: Vocabularies) -> dict[str, Tensor]:
    """Return the `weights` of a network with a row for each entry of the vocabularies `new`, which extend `old`.

    The new row of each piece is the mean of the rows of the tokens (pieces, bytes or UNK) that the piece was segmented
    into before, in the embeddings and in the output layer with its bias. All other values are unchanged.
    """
    result = dict(weights)
    sides = ((SOURCE_WEIGHTS, old.source, new.source), (TARGET_WEIGHTS, old.target, new.target))
    for names, old_side, new_side in sides:
        parts = new_pieces_in_old_tokens(old_side, new_side)
        for name in names:
            if parts and name in weights:
                rows = weights[name]  # (V, …)
                means = torch.stack([rows[torch.tensor(ids, device=rows.device)].mean(0) for ids in parts])
                result[name] = torch.cat([rows, means])  # (W, …)
    return result


def new_pieces_in_old_tokens(old: Subword, new: Subword) -> list[list[int]]:
    """Return for each piece that `new` adds to `old` the tokens of `old` that it was segmented into."""
    return [old.segment_piece(piece) for piece in new.pieces(range(old.size, new.size))]
