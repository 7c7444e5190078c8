"""What the network reads of an embedding table."""

import torch

from nmt import config
from nmt.models.embedding import TokenEmbedding, embedding_table


def test_vectors_are_rows_scaled_to_unit_variance():
    torch.manual_seed(0)
    table = embedding_table(500, 64)
    embedding = TokenEmbedding(table, config.Dropout(embedding=0.0))
    tokens = torch.randint(1, 500, (7, 9))
    torch.testing.assert_close(embedding(tokens), table.weight[tokens] * 8)
    assert 0.9 < embedding(tokens).std() < 1.1
