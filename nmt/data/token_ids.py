"""The token ids of every vocabulary for padding, unknown token, begin and end of sentence: PAD, UNK, BOS, EOS."""

PAD, UNK, BOS, EOS = 0, 1, 2, 3
