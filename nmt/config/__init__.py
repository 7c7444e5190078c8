"""The YAML schema of a run: one class per section, each field with a docstring.

`load` reads a file, applies ``section.key=value`` overrides and returns a frozen `Config`. Every mistake is an
`NmtError` that names the key and, for an unknown key, the nearest known key.
"""

from nmt.config.attention import Attention
from nmt.config.data import TEXT_KEYS, Corpus, Data, Filters, Subword
from nmt.config.decoder import Decoder
from nmt.config.decoding import Decoding
from nmt.config.encoder import Encoder
from nmt.config.loading import dump, load, load_run_config, parse, resolve
from nmt.config.model import Dropout, Embedding, Model
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
    "resolve",
]
