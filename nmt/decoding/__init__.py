"""From a model and a source to hypotheses.

The way of a line: `streams.translate_stream` reads it, `windows` gathers lines to be sorted, `reading.Reader.lines`
normalises, encodes, tags and cuts it (`cutting`), `Translator._translate_window` puts parts of lines into batches,
`search` chooses `greedy`, `beam` or `sampling`, which ask the model (`protocol`) for one step after the other and
`selection` for what may come next; `translation.Joiner` makes text of the hypotheses, `output.render` formats it, and
`resumable` keeps it until the output is complete.
"""
