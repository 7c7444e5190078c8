"""Token embeddings are scaled rows of the embedding table."""

import pytest
import torch

from nmt import config
from nmt.models.embedding import TokenEmbedding, embedding_table


@torch.no_grad()
@pytest.mark.parametrize(("kind", "scale", "deviation"), [("recurrent", 3.0, 1 / 3), ("transformer", 9.0, 1.0)])
def test_embeddings_are_scaled_rows_of_the_table(kind, scale, deviation):
    torch.manual_seed(0)
    table = embedding_table(500, 81)
    embedding = TokenEmbedding(table, config.Dropout(embedding=0.0), kind)
    tokens = torch.randint(1, 500, (7, 9))
    torch.testing.assert_close(embedding(tokens), table.weight[tokens] * scale)
    assert float(embedding(tokens).std()) == pytest.approx(deviation, rel=0.1)
