"""Token ids that every vocabulary has: padding, unknown token, begin and end of sentence."""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
