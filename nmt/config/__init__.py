"""The whole YAML schema of a run: one class per section, each field with a one-line docstring.

`load` reads a file, applies ``section.key=value`` overrides and returns a frozen `Config`; every mistake is an
`NmtError` that names the key and, for an unknown key, the nearest known one.
"""

from nmt.config.data import TEXT_KEYS, Corpus, Data, Filters, Subword
from nmt.config.decoding import Decoding
from nmt.config.loading import dump, load, load_run_config, parse
from nmt.config.model import Attention, Decoder, Dropout, Embedding, Encoder, Model
from nmt.config.schema import Config
from nmt.config.section import Section
from nmt.config.training import Training

__all__ = [
    "TEXT_KEYS",
    "Attention",
    "Config",
    "Corpus",
    "Data",
    "Decoder",
    "Decoding",
    "Dropout",
    "Embedding",
    "Encoder",
    "Filters",
    "Model",
    "Section",
    "Subword",
    "Training",
    "dump",
    "load",
    "load_run_config",
    "parse",
]
