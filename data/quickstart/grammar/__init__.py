"""The synchronous grammar of data/quickstart, which generates English, German and Chinese sentences of equal meaning.

`words` declares the lexicon entries; `lexicon`, `verbs` and `adverbials` are the tables. `phrases` and `clauses`
inflect and order the three languages together. `speaker` chooses words that fit each other. `actions`, `descriptions`,
`questions`, `reasons`, `compound` and `relatives` are the constructions, each with its weight. `splits` draws the
training, validation and test set, and `make_corpus` writes the files.
"""
