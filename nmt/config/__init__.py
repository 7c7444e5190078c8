"""The YAML schema of a run: one class per section, each field with a docstring.

`load` reads a file, applies ``section.key=value`` overrides and returns a frozen `Config`. Every mistake is an
`NmtError` that names the key and, for an unknown key, the nearest known key.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.config.attention import Attention
    from nmt.config.data import Corpus, Data, Filters, Subword
    from nmt.config.decoder import Decoder
    from nmt.config.decoding import Decoding
    from nmt.config.encoder import Encoder
    from nmt.config.loading import dump, load, load_run_config, override, parse, resolve
    from nmt.config.model import Dropout, Embedding, Model
    from nmt.config.model_settings import TEXT_KEYS
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
    "override",
    "parse",
    "resolve",
]

_MODULES = {
    **dict.fromkeys(("Corpus", "Data", "Filters", "Subword"), "data"),
    **dict.fromkeys(("dump", "load", "load_run_config", "override", "parse", "resolve"), "loading"),
    **dict.fromkeys(("Dropout", "Embedding", "Model"), "model"),
    "TEXT_KEYS": "model_settings",
    "Attention": "attention",
    "Config": "schema",
    "Decoder": "decoder",
    "Decoding": "decoding",
    "Encoder": "encoder",
    "Section": "section",
    "Training": "training",
}


def __getattr__(name: str) -> Any:
    """Import a name at its first use: the schema takes a tenth of a second, which translating does not need."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"nmt.config.{_MODULES[name]}"), name)
