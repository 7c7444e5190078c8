"""Token ids to vectors. Axes: B sentences, T tokens, E embedding width, V vocabulary."""

from torch import Tensor, nn

from nmt.config import Dropout
from nmt.config.encoder import Kind
from nmt.data.token_ids import PAD
from nmt.models.dropout import SequenceDropout, WordDropout


class TokenEmbedding(nn.Module):
    """Embeds token ids; the table may be shared with another embedding or with the output layer.

    A table that also suits an output layer has entries of about 1 / sqrt(E), which would leave the layers above almost
    nothing to read at first: alignments would be found late, and with some seeds never. So vectors are `scale` times
    their rows: the fourth root of E for recurrent networks (with the square root, each step of the optimizer moves what
    they read too far), the square root for a Transformer, as positions are added (Vaswani 2017, section 3.4).
    """

    def __init__(self, table: nn.Embedding, dropout: Dropout, kind: Kind) -> None:
        super().__init__()
        self.table = table
        self.scale = embedding_scale(table.embedding_dim, kind)
        self.word_dropout = WordDropout(dropout.word)
        self.dropout = SequenceDropout(dropout.embedding, dropout.mask)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the vectors (B, T, E) of `tokens` (B, T)."""
        vectors: Tensor = self.dropout(self.word_dropout(self.table(tokens) * self.scale))
        return vectors


def embedding_scale(size: int, kind: Kind) -> float:
    """Return by what rows of a table of width `size` are multiplied."""
    return float(size ** (0.5 if kind == "transformer" else 0.25))


def embedding_table(vocabulary: int, size: int) -> nn.Embedding:
    """Return a table (V, E) drawn from N(0, 1/E), which also suits an output layer."""
    table = nn.Embedding(vocabulary, size, padding_idx=PAD)
    nn.init.normal_(table.weight, std=size**-0.5)
    return table
