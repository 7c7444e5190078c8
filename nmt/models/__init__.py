"""The networks of the papers: embedding, recurrent cells, encoder, attention, decoders, Transformer, pointer-generator.

Read the modules in this order:

1. `seq2seq`: the whole network, as training and search use it.
2. `state`: the values that the encoder, the decoder and the search pass on.
3. `embedding`, `dropout` and `linear`: the smallest parts.
4. `cells` and `recurrent_layer`: LSTM, GRU and RNN, for one step and for a whole sequence.
5. `encoder` and `attention`.
6. `decoders.base`, then one decoder after the other: `plain` (Sutskever, Cho), `luong`, `gnmt`, `bahdanau`, `nematus`,
   `rnmt_plus`.
7. `pointer_generator` and `transformer`.

Three modules are not from a paper: `inference` prepares a network for search, `shortlist` restricts the output layer,
and `weights` saves and loads files. Faster code with the same result is in `nmt.kernels`; at first read its functions
as what their names say (`linear_function`, `dot_products`, `weighted_sum`, `lstm_cell`).
"""
