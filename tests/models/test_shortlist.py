"""Search with a shortlist generates only its tokens, which do not depend on the other sentences of a batch."""

import numpy as np
import pytest
import torch
from architectures import VOCABULARY, batch, build

from nmt.data.lexicon import CANDIDATES_PER_TOKEN, Lexicon
from nmt.data.token_ids import EOS, UNK
from nmt.decoding.beam import beam_search
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.greedy import greedy_search
from nmt.decoding.hypothesis import SearchBatch
from nmt.decoding.search_options import SearchOptions
from nmt.decoding.shortlist import Shortlister
from nmt.models.inference import prepare_for_search
from nmt.models.torch_engine import TorchEngine

SEARCHES = [(greedy_search, SearchOptions(beam_size=1)), (beam_search, SearchOptions(beam_size=4, n_best=4))]


def lexicon(common=()):
    """Return a lexicon in which the candidates of a source token are the next two tokens."""
    candidates = np.full((VOCABULARY, CANDIDATES_PER_TOKEN), EOS, np.int32)
    for token in range(4, VOCABULARY):
        candidates[token, :2] = [4 + (token + i - 4) % (VOCABULARY - 4) for i in (1, 2)]
    return Lexicon(candidates, np.array(common, np.int32))


def sentences(shortlister, rows=slice(None)):
    source, lengths = (part.numpy() for part in batch()[:2])
    source, lengths = source[rows], lengths[rows]
    source = source[:, : int(lengths.max())]
    limits = [8] * len(source)
    return SearchBatch(source, lengths, limits, shortlist=shortlister and shortlister(source))


@pytest.mark.parametrize(("search", "options"), SEARCHES, ids=["greedy", "beam"])
@pytest.mark.parametrize("models", [1, 2])
@pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
def test_only_tokens_of_the_shortlist_of_a_sentence_are_generated(search, options, models, arithmetic):
    if arithmetic == "int8" and not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        pytest.skip("this torch has no oneDNN")
    one, other = (TorchEngine(prepare_for_search(build(start=start), arithmetic)) for start in ("bridge", "zero"))
    model = one if models == 1 else Ensemble([one, other])
    shortlister = Shortlister(lexicon(common=[6]), 2, VOCABULARY)
    given = sentences(shortlister)
    whole = search(model, given, options)
    tokens = 0
    for row, found in enumerate(whole):
        allowed = {6, UNK, EOS} | {c for t in given.source[row].tolist() for c in lexicon().candidates[t, :2].tolist()}
        tokens += sum(len(hypothesis.tokens) for hypothesis in found)
        assert all(set(hypothesis.tokens) <= allowed for hypothesis in found)
        [alone] = search(model, sentences(shortlister, slice(row, row + 1)), options)
        assert [h.tokens for h in alone] == [h.tokens for h in found]
        scores = [h.token_log_probs for h in found]
        assert all(a.token_log_probs == pytest.approx(b, abs=2e-5) for a, b in zip(alone, scores, strict=True))
    assert tokens


@pytest.mark.parametrize(("search", "options"), SEARCHES, ids=["greedy", "beam"])
def test_a_shortlist_of_the_whole_vocabulary_changes_nothing(search, options):
    model = TorchEngine(prepare_for_search(build(), "fp32"))
    everything = Shortlister(lexicon(common=range(4, VOCABULARY)), 1, VOCABULARY)
    with_list, without = (search(model, sentences(each), options) for each in (everything, None))
    for one, other in zip(with_list, without, strict=True):
        assert [h.tokens for h in one] == [h.tokens for h in other]
        assert all(
            a.token_log_probs == pytest.approx(b.token_log_probs, abs=2e-5) for a, b in zip(one, other, strict=True)
        )
