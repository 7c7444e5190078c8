"""Choose the search algorithm for a set of options: beam search, greedy search or sampling."""

from collections.abc import Callable
from typing import Any

from nmt.decoding.beam import beam_search
from nmt.decoding.greedy import greedy_search
from nmt.decoding.hypothesis import Hypothesis, SearchBatch
from nmt.decoding.sampling import sample
from nmt.decoding.search_options import SearchOptions
from nmt.engine import Engine

SearchFunction = Callable[[Engine[Any, Any], SearchBatch, SearchOptions], list[list[Hypothesis]]]
SEARCHES: dict[str, SearchFunction] = {"beam": beam_search, "greedy": greedy_search, "sample": sample}


def search_function(options: SearchOptions) -> SearchFunction:
    """Return the function for `options.method`; a beam of one hypothesis is greedy search."""
    return greedy_search if options.method == "beam" and options.beam_size == 1 else SEARCHES[options.method]
