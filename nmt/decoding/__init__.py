"""Translate: input lines, search for the best hypotheses, and output lines.

How a sentence gets from stdin to stdout in `nmt translate`, file by file:

1. `loading` finds the checkpoints and loads them as a `Translator` (translator). `engines` chooses what computes: ONNX
   Runtime (`nmt.runtime.onnx_engine`) or torch (`nmt.models.torch_engine`). Several models form one engine (ensemble).
2. `translate_lines` is the main loop. It opens the input (line_input: file, stdin, live or not; input_formats: JSON
   lines) and the output (output_files; resumable_output: finished lines of an interrupted translation are kept).
3. `input_windows` groups the lines into windows, because lines of similar length are translated together.
4. `source_lines` normalises each line, encodes it as token ids, prepends the language tag and splits long lines into
   parts (long_lines).
5. `Translator` sorts the parts of a window by length, and cuts them into batches that fit the memory (memory_budget).
   With ONNX Runtime each core works on a batch of its own (side_by_side).
6. `search` translates a batch with `greedy`, `beam` or `sampling`, as the options ask (search_options). They call the
   engine step by step (`nmt.engine`), and work on numpy arrays. token_constraints and repetition exclude tokens;
   penalties give the score. The result is a list of `Hypothesis` objects for each part (hypothesis).
7. `translation` joins the hypotheses of the parts of a line into a `Translation`: the text, its scores, its word
   alignment and copied words (word_alignment).
8. `output_formats` renders the translation as text, as an n-best list or as JSON, and translate_lines writes it.
   Meanwhile `progress` reports the speed, and `input_warnings` warns about long lines and invalid UTF-8.

`score_lines` is the main loop of `nmt logprob`: it scores given translations (forced_decoding) instead of searching.
"""
