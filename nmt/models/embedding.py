"""Embed token ids: scaled rows of an embedding table, with dropout.

Axes: B sentences, T tokens, E embedding width, V vocabulary.
"""

from torch import Tensor, nn

from nmt.config import Dropout
from nmt.config.encoder import Kind
from nmt.data.token_ids import PAD
from nmt.models.dropout import SequenceDropout, WordDropout


class TokenEmbedding(nn.Module):
    """Embeds token ids. The table may be shared with the other embedding or the output layer (`model.embedding.tie`).

    The entries of a table that also serves an output layer are about 1 / sqrt(E). With such small inputs a network
    learns alignments late, and with some seeds never. So the rows are multiplied by `scale`: E^(1/4) for a recurrent
    network, as with E^(1/2) each optimizer step changes the embeddings too much; E^(1/2) for a Transformer, which adds
    positions (Vaswani 2017, section 3.4).
    """

    def __init__(self, table: nn.Embedding, dropout: Dropout, kind: Kind) -> None:
        super().__init__()
        self.table = table
        self.scale = embedding_scale(table.embedding_dim, kind)
        self.word_dropout = WordDropout(dropout.word)
        self.dropout = SequenceDropout(dropout.embedding, dropout.mask)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the embeddings (B, T, E) of `tokens` (B, T)."""
        embedded: Tensor = self.dropout(self.word_dropout(self.table(tokens) * self.scale))  # (B, T, E)
        return embedded


def embedding_scale(size: int, kind: Kind) -> float:
    """Return the factor for the rows of a table of width `size`."""
    return float(size ** (0.5 if kind == "transformer" else 0.25))


def embedding_table(vocabulary: int, size: int) -> nn.Embedding:
    """Return a table (V, E) drawn from N(0, 1/E), as also suits an output layer."""
    table = nn.Embedding(vocabulary, size, padding_idx=PAD)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table
