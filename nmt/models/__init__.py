"""From a batch to log-probabilities.

To be read in this order: `seq2seq` (the whole), `state` (what encoder and decoder hand on), `embedding`, `cells` (one
step), `recurrent` (a layer), `encoder`, `attention`, `decoder` (what all recurrent decoders have), `arrangements`
(where the context goes: a class for each paper), `copying`, `transformer`; `dropout` where they use it.

What no paper has, for speed or safety, is to be passed over at first: `deferred` (weight gradients of a loop,
computed after it), `ready` (a network laid out or quantised for search), `shortlist` (an output layer of few words),
`device`, `loading` (weights in files), and `Precomputed` in `decoder`, which takes out of a loop over time what does
not depend on the step before.
"""
