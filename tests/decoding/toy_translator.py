"""A `Translator` with a toy model and a small subword model."""

import random

from toy_model import EchoModel

from nmt import config
from nmt.config.model_settings import ModelSettings
from nmt.data.subword import Subword, Vocabularies
from nmt.decoding.engines import Machine
from nmt.decoding.translator import Translator

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "Katze", "schläft", "heute", "猫", "坐在", "垫子上"]


def train(folder, kind, **settings):
    """Train a subword model on sentences of `WORDS`."""
    chosen = random.Random(0)
    lines = [" ".join(chosen.choices(WORDS, k=7)) + "." for _ in range(300)]
    return Subword.train(lines, folder / f"{kind}.model", config.Subword(kind=kind, **settings), 400)


def data(language="de"):
    corpus = config.Corpus(source="a", target="b")
    return config.Data(train=[corpus], valid=corpus, target_language=language)


def make(subword, model=None, language="de", source="en", tags=(None,), copies=(False,)):
    """Return a translator; `copies` says of each model of an ensemble whether it is a pointer-generator."""
    model = model or EchoModel(subword.size)
    corpora = [config.Corpus(source="a", target="b", tag=tag) for tag in tags]
    text = config.Data(train=corpora, valid=corpora[0], source_language=source, target_language=language)
    networks = [config.Model(decoder=config.Decoder(copy_source=copy)) for copy in copies]
    symbols = config.Subword(user_symbols=[tag for tag in tags if tag])
    configs = [config.Config(name="toy", data=text, subword=symbols, model=network) for network in networks]
    settings = [ModelSettings.of(each) for each in configs]
    return Translator(model, Vocabularies(subword, subword), settings, Machine("torch", "cpu", "fp32"))
