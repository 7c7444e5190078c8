"""Train on text that models have written: `nmt augment` and `nmt distill`.

`augment` and `distill` are lists of steps; `recipe` has what they share. `state` executes them and keeps their results
in `manifest.json`, so that the same command continues after an interruption. The steps write the text to translate
(`texts`), train models or check those of the user (`models`), translate (`translation`), make corpora of the hypotheses
(`corpora`) and write the configuration of the final model (`configurations`).
"""
