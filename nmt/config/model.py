"""The section `model`: the network, and the constraints that involve several of its keys."""

from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from nmt.config.attention import Attention
from nmt.config.decoder import Decoder
from nmt.config.encoder import Encoder
from nmt.config.section import PathOf, Probability, Section, Width, reject

if TYPE_CHECKING:
    from typing_extensions import Self


class Embedding(Section):
    """Token embeddings."""

    size: Width = 256
    """Width of source and target embeddings."""
    tie: Literal["none", "target", "all"] = "target"
    """Tied weights: `target` = target embedding and output layer (Press & Wolf 2017); `all` = also the source
    embedding."""
    source_vectors: PathOf | None = None
    """Pretrained word vectors for the source embeddings, in the text format of word2vec or GloVe, plain or gzip."""
    target_vectors: PathOf | None = None
    """Pretrained word vectors for the target embeddings."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        if self.tie == "all" and self.source_vectors and self.target_vectors:
            raise ValueError("with 'tie: all' there is one table: give 'source_vectors' or 'target_vectors', not both")
        return self


class Dropout(Section):
    """Dropout probabilities during training."""

    embedding: Probability = 0.2
    """On source and target embeddings."""
    layer: Probability = 0.2
    """On the input of each recurrent layer above the first, and on the output of the encoder; in a Transformer, on the
    input of the first layer and on the output of each block."""
    output: Probability = 0.2
    """On the input of the output layer."""
    recurrent: Probability = 0.0
    """On the recurrent weights of the cells, with one mask per batch (DropConnect, Merity 2018)."""
    word: Probability = 0.0
    """Word dropout: probability of setting the whole embedding of an input token to zero (Sennrich & Zhang 2019)."""
    mask: Literal["step", "sentence"] = "step"
    """`step` draws a new mask at every position; `sentence` uses one mask per sentence (variational dropout, Gal 2016),
    but not inside the layers of a Transformer."""


class Model(Section):
    """The network, part by part."""

    embedding: Embedding = Embedding()
    encoder: Encoder = Encoder()
    attention: Attention = Attention()
    decoder: Decoder = Decoder()
    dropout: Dropout = Dropout()

    @property
    def is_transformer(self) -> bool:
        """Whether the decoder is a Transformer."""
        return self.decoder.kind == "transformer"

    @property
    def has_attention(self) -> bool:
        """Whether the decoder attends to the source."""
        return self.is_transformer or self.attention.score != "none"

    @property
    def context_size(self) -> int:
        """Width of the context that the decoder reads at every step."""
        return 0 if self.decoder.context_to == "start" else self.encoder.size

    @property
    def read_size(self) -> int:
        """Width of the embedded previous token that the decoder reads."""
        return self.embedding.size if self.decoder.feedback else 0

    @property
    def has_target_table(self) -> bool:
        """Whether there are target embeddings, either read by the decoder or tied."""
        return self.decoder.feedback or self.embedding.tie != "none"

    @property
    def readout_size(self) -> int:
        """Width of the input of the output layer."""
        if self.is_transformer or self.decoder.readout == "state":
            return self.decoder.size
        if self.decoder.readout == "none":
            return self.decoder.size + self.context_size
        return self.decoder.size if self.embedding.tie == "none" else self.embedding.size

    @property
    def drops(self) -> bool:
        """Whether dropout makes two passes over the same sentence differ."""
        dropout = self.dropout
        has_several = self.encoder.layers > 1 or self.decoder.layers > 1
        uses_layer_dropout = dropout.layer > 0 and (has_several or self.reads_encoder_outputs)
        return uses_layer_dropout or max(dropout.embedding, dropout.output, dropout.recurrent, dropout.word) > 0

    @property
    def reads_summary(self) -> bool:
        """Whether the decoder reads the encoder's summary."""
        return self.decoder.start == "bridge" or self.decoder.context_to == "every_step"

    @property
    def reads_encoder_outputs(self) -> bool:
        """Whether the decoder reads the outputs of the encoder at each position, or a summary of them."""
        if self.is_transformer or self.encoder.kind == "transformer" or self.attention.score != "none":
            return True
        return self.encoder.summary != "last" or self.decoder.start == "mean"

    @model_validator(mode="after")
    def _check(self) -> "Self":
        embedding = self.embedding
        reject(
            *(
                (
                    part.kind == "transformer" and part.size != embedding.size,
                    f"a transformer {name} needs embedding.size ({embedding.size}) equal to {name}.size ({part.size})",
                )
                for name, part in (("encoder", self.encoder), ("decoder", self.decoder))
            ),
            (
                embedding.tie != "none" and self.readout_size != embedding.size,
                f"embedding.tie {embedding.tie} needs an output layer with embedding.size ({embedding.size}) inputs, "
                f"not {self.readout_size}; use tie: none",
            ),
            (
                embedding.target_vectors is not None and not self.has_target_table,
                "embedding.target_vectors: with decoder.feedback false and embedding.tie none there are no target "
                "embeddings; leave it out",
            ),
            (
                self.encoder.summary != "last" and (self.is_transformer or not self.reads_summary),
                f"encoder.summary {self.encoder.summary} is only read by a recurrent decoder with start: bridge or "
                "context_to: every_step",
            ),
            (
                self.is_transformer and self.encoder.kind == "transformer" and self.dropout.recurrent,
                "dropout.recurrent has no effect in a network without recurrent layers; leave it out",
            ),
            (
                self.is_transformer and self.attention != Attention(),
                "attention.*: a transformer decoder has its own attention; leave this section out",
            ),
        )
        if not self.is_transformer:
            self._check_attention()
            self._check_unused()
            self._check_start()
        return self

    def _check_attention(self) -> None:
        attention, decoder = self.attention, self.decoder
        without_attention = decoder.context_to in ("start", "every_step")
        reject(
            (
                attention.score == "none" and not without_attention,
                f"decoder.context_to {decoder.context_to} needs attention; with attention.score none use start or "
                "every_step",
            ),
            (
                attention.score != "none" and without_attention,
                f"decoder.context_to {decoder.context_to} needs attention.score none",
            ),
            (
                attention.score == "dot" and attention.heads == 1 and self.encoder.size != decoder.size,
                f"attention.score dot {self._needs_equal_sizes()}; or use score: general",
            ),
            (
                attention.coverage and decoder.context_to in ("output", "upper_layers"),
                "attention.coverage needs a decoder that computes its steps one after the other: decoder.context_to "
                "next_input, all_layers, same_step or conditional",
            ),
            (
                decoder.copy_source and attention.score == "none",
                "decoder.copy_source needs attention: choose an attention.score",
            ),
            (
                decoder.copy_source and attention.local != "none",
                "decoder.copy_source copies from the whole source, but attention.local "
                f"{attention.local} attends to a window of it; leave one of them out",
            ),
        )

    def _check_unused(self) -> None:
        """Raise ValueError if a key of encoder or decoder has no effect."""
        encoder = self.encoder
        remedy = "summary: mean or max" if self.reads_summary else "decoder.start: mean"
        unread = {
            "layer_norm": encoder.layer_norm,
            "residual": encoder.residual and encoder.residual_from == encoder.layers,
        }
        parts = (("encoder", encoder, self.embedding.size), ("decoder", self.decoder, self.read_size))
        reject(
            *(
                (
                    is_set and not self.reads_encoder_outputs,
                    f"attention.score none with encoder.summary last reads the state of the top layer before "
                    f"encoder.{key}; leave it out, or use {remedy}",
                )
                for key, is_set in unread.items()
            ),
            *(
                (
                    part.kind == "recurrent" and part.residual and part.layers == 1 and width != part.size,
                    f"{name}.residual has no effect in one layer of {part.size} units that reads {width} units; leave "
                    "it out",
                )
                for name, part, width in parts
            ),
        )

    def _check_start(self) -> None:
        encoder, decoder = self.encoder, self.decoder
        reject(
            (
                decoder.start in ("last", "mean") and encoder.size != decoder.size,
                f"decoder.start {decoder.start} {self._needs_equal_sizes()}; or use start: bridge",
            ),
            (
                decoder.start == "last" and encoder.kind == "transformer",
                "decoder.start last needs a recurrent encoder; or use start: bridge or mean",
            ),
            (
                decoder.start == "last" and encoder.cell != decoder.cell,
                "decoder.start last needs the same cell in encoder and decoder; or use start: bridge",
            ),
        )

    def _needs_equal_sizes(self) -> str:
        return f"needs encoder.size ({self.encoder.size}) equal to decoder.size ({self.decoder.size})"
