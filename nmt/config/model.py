"""The network, part by part."""

from typing import TYPE_CHECKING, Literal

from pydantic import field_validator, model_validator

from nmt.config.section import Depth, NotNegative, PathOf, Probability, Section, Width

if TYPE_CHECKING:
    from typing_extensions import Self


Kind = Literal["recurrent", "transformer"]
Cell = Literal["lstm", "gru", "rnn"]
RECURRENT = ("cell", "residual", "residual_from", "layer_norm", "gate_norm", "transitions")
"""Keys of a `Stack` that mean nothing for a Transformer."""


class Embedding(Section):
    """Token embeddings."""

    size: Width = 256
    """Width of source and target embeddings."""
    tie: Literal["none", "target", "all"] = "target"
    """Share weights: `target` = target embedding and output layer (Press & Wolf 2017); `all` = the source's too."""
    source_vectors: PathOf | None = None
    """Word vectors that the source embeddings start from, as text: word2vec's or GloVe's format, plain or gzip."""
    target_vectors: PathOf | None = None
    """The same for the target embeddings."""

    @model_validator(mode="after")
    def _one_table(self) -> "Self":
        if self.tie == "all" and self.source_vectors and self.target_vectors:
            raise ValueError("with 'tie: all' there is one table: give 'source_vectors' or 'target_vectors', not both")
        return self


class Stack(Section):
    """What encoder and decoder share: layers of a kind."""

    kind: Kind = "recurrent"
    """recurrent, or transformer (Vaswani 2017)."""
    cell: Cell = "lstm"
    """Recurrent cell; rnn is the plain tanh cell (Elman 1990)."""
    size: Width = 512
    """Width of each layer."""
    residual: bool = False
    """Add a layer's input to its output, not to its state, wherever the widths agree (Wu 2016)."""
    residual_from: Depth = 1
    """The lowest layer with a residual connection: 3 for Wu (2016) and Chen (2018)."""
    layer_norm: bool = False
    """Normalise each layer's output (Ba 2016)."""
    gate_norm: bool = False
    """Normalise what makes each gate within the cells, gate by gate (after Ba 2016, as in Chen 2018). The layer is then
    a loop over its steps, some three times as slow."""
    transitions: Depth = 1
    """Cells that each step of a layer goes through, of which the first reads the input: deep transition (Pascanu
    2014). With more than one the layer is a loop over its steps, too."""
    heads: Width = 8
    """Attention heads (transformer)."""
    feed_forward: Width = 1024
    """Width of the hidden layer of a feed-forward block (transformer)."""

    def refuse(self, foreign: list[str], heads: int = 1) -> None:
        """Refuse keys that mean nothing for this kind, and a width that `heads` cannot share."""
        self.refuse_idle(foreign, f"with 'kind: {self.kind}'")
        if self.size % heads or (self.kind == "transformer" and self.size % 2):
            raise ValueError(f"'size' {self.size} must be even and a multiple of 'heads' {heads}")

    def adds_input(self, depth: int, width: int) -> bool:
        """Return whether layer `depth`, the lowest being 0, adds the `width` units that it reads of the one below."""
        return self.residual and depth + 1 >= self.residual_from and width == self.size

    def refuse_shallow(self, layers: int) -> None:
        """Refuse residual connections that begin above the top of so many layers, or of which there are none."""
        if not self.residual:
            self.refuse_idle(["residual_from"], "without 'residual'")
        elif self.residual_from > layers:
            raise ValueError(f"'residual_from' {self.residual_from} is more than 'layers' {layers}")

    def refuse_constant(self, width: int) -> None:
        """Refuse to normalise a layer or direction of a single unit, which would say the same of everything."""
        for key, is_on, units in (("layer_norm", self.layer_norm, self.size), ("gate_norm", self.gate_norm, width)):
            if is_on and units == 1:
                raise ValueError(f"'{key}' leaves nothing of a single unit: choose a larger 'size', or leave it out")


class Encoder(Stack):
    """What reads the source."""

    layers: Depth = 1
    """Number of layers."""
    size: Width = 512
    """Width of a layer's output; with merge concat each direction has half of it."""
    bidirectional: bool = True
    """Read the source in both directions."""
    bidirectional_layers: NotNegative = 0
    """In so many of the lowest layers only (Wu 2016); 0: in all."""
    merge: Literal["concat", "sum", "mul", "average"] = "concat"
    """How the two directions become one output, and their final states one state."""
    reverse: bool = False
    """Read the source from its end to its beginning (Sutskever 2014)."""
    summary: Literal["last", "mean", "max"] = "last"
    """The sentence as one vector, for `start: bridge` and `context_to: every_step`: the top layer's final state, or the
    mean or maximum of its outputs."""

    @field_validator("bidirectional", mode="before")
    @classmethod
    def _is_no_number(cls, value: object) -> object:
        if isinstance(value, int) and not isinstance(value, bool):
            raise ValueError("is true or false; for some of the layers, the lowest, set 'bidirectional_layers'")
        return value

    @property
    def layers_both_ways(self) -> int:
        """Number of layers, from the lowest, that read in both directions."""
        return (self.bidirectional_layers or self.layers) if self.bidirectional else 0

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.kind == "transformer":
            others = ["bidirectional", "bidirectional_layers", "merge", "reverse"]
            self.refuse([*RECURRENT, *others], self.heads)
            return self
        self.refuse(["heads", "feed_forward"])
        self.refuse_shallow(self.layers)
        if self.bidirectional_layers > self.layers:
            raise ValueError(f"'bidirectional_layers' {self.bidirectional_layers} is more than 'layers' {self.layers}")
        if self.bidirectional_layers and not self.bidirectional:
            raise ValueError("'bidirectional_layers' needs 'bidirectional: true'")
        if self.layers_both_ways and self.merge == "concat" and self.size % 2:
            raise ValueError(f"'size' {self.size} must be even for a bidirectional encoder, or choose another 'merge'")
        if not self.layers_both_ways and self.merge != "concat":
            raise ValueError(f"'merge: {self.merge}' needs 'bidirectional: true'")
        if self.layers_both_ways and self.reverse:
            raise ValueError("'reverse' is for an encoder of one direction: set 'bidirectional: false'")
        self.refuse_constant(self.size // 2 if self.layers_both_ways and self.merge == "concat" else self.size)
        return self


class Attention(Section):
    """How the decoder looks at the source."""

    score: Literal["none", "additive", "concat", "dot", "general", "location"] = "general"
    """additive: v' tanh(W q + U h) (Bahdanau 2015), which Luong (2015) calls concat; dot: q'h, general: q'W h,
    location: W q, by position alone (Luong 2015); none: the decoder sees the sentence's summary only."""
    scaled: bool = True
    """Divide dot and general scores by the square root of the width (Vaswani 2017); several heads scored by dot always
    are."""
    size: Width = 512
    """Width of the hidden layer of the additive score and of a predicted centre; of several heads, all together."""
    heads: Width = 1
    """Attentions side by side, scored by dot (Vaswani 2017) or additive (Chen 2018)."""
    local: Literal["none", "monotonic", "predictive"] = "none"
    """Look only at a window of the source, about the target's own position or a predicted one (Luong 2015)."""
    window: Width = 10
    """Tokens on each side of the centre of local attention."""
    positions: Width = 257
    """Source positions that the location score tells apart; what lies further is not looked at."""
    coverage: bool = False
    """The additive score also sees how much attention each source token has had (See 2017)."""

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.score in ("none", "location") and (self.heads > 1 or self.local != "none"):
            raise ValueError(f"'score: {self.score}' goes with neither 'heads' nor 'local'")
        if self.heads > 1 and self.score not in ("dot", "additive", "concat"):
            raise ValueError(f"several 'heads' are scored by dot or additive, not {self.score}")
        if self.heads > 1 and self.size % self.heads:
            raise ValueError(f"'size' {self.size} must be a multiple of 'heads' {self.heads}")
        if self.heads > 1 and self.local != "none":
            raise ValueError("'local' goes with one head only")
        if not self.scaled and (self.score not in ("dot", "general") or self.heads > 1):
            raise ValueError("'scaled: false' is for the score dot or general with one head")
        if self.coverage and (self.score not in ("additive", "concat") or self.heads > 1):
            raise ValueError("'coverage' needs 'score: additive' with one head")
        if self.score not in ("additive", "concat") and self.heads == 1 and self.local != "predictive":
            self.refuse_idle(["size"], f"with 'score: {self.score}', one head and no predicted centre")
        if self.local == "none":
            self.refuse_idle(["window"], "without 'local'")
        if self.score != "location":
            self.refuse_idle(["positions"], "without 'score: location'")
        return self


class Decoder(Stack):
    """What writes the target."""

    layers: Depth = 2
    """Number of layers."""
    context_to: Literal[
        "upper_layers", "output", "next_input", "all_layers", "same_step", "conditional", "start", "every_step"
    ] = "upper_layers"
    """Where the context goes. Attention's, besides the output: upper_layers = the bottom layer queries, the layers
    above read it (GNMT v2; parallel in time, if its layers are); output = nowhere else (Luong 2015 without input
    feeding; as parallel); next_input = input feeding: the readout joins the next step's input (Luong 2015);
    all_layers = as upper_layers, and the bottom layer reads it in the next step (Chen 2018; of one layer, See
    2017); same_step = the previous state queries, this step's cell reads it (Bahdanau 2015); conditional = the
    bottom layer's cell queries, and one more, with the same state, reads it (Sennrich 2017). Without attention:
    start = the first state only (Sutskever 2014); every_step = every step and the output read the summary (Cho
    2014)."""
    feedback: bool = True
    """Each step reads the previous target token."""
    start: Literal["bridge", "last", "mean", "zero"] = "bridge"
    """First state: `bridge` = tanh of a learned projection of the encoder's summary; `last` = the encoder's final
    states, `mean` = the mean of its outputs, as they are (the widths must agree); `zero`."""
    readout: Literal["tanh", "deep", "maxout", "none", "state"] = "tanh"
    """What the output layer reads, of state h, context c and previous token e: tanh(W [h; c]) (Luong 2015); deep =
    tanh(W [h; c; e]) (Pascanu 2014); maxout = the larger of each two units of W [h; c; e] (Bahdanau 2015); none =
    [h; c] itself; state = h alone, which has read the context (Wu 2016)."""
    copy_source: bool = False
    """Pointer-generator: a token may also be copied from where the attention looks (See 2017); with `subword.kind` word
    also a word that the vocabulary lacks."""

    @model_validator(mode="after")
    def _possible(self) -> "Self":
        if self.kind == "transformer":
            self.refuse([*RECURRENT, "context_to", "feedback", "start", "readout", "copy_source"], self.heads)
            return self
        self.refuse(["heads", "feed_forward"])
        self.refuse_shallow(self.layers)
        self.refuse_constant(self.size)
        if not self.feedback and self.context_to in ("start", "output", "upper_layers", "conditional"):
            raise ValueError(
                f"without 'feedback' the bottom layer has nothing to read where the context goes to {self.context_to}; "
                "choose context_to every_step, next_input, all_layers or same_step"
            )
        if not self.feedback and self.readout == "deep":
            raise ValueError("'readout: deep' without 'feedback' reads no token, as tanh does: use 'readout: tanh'")
        is_unread = self.context_to in ("output", "next_input") or (self.context_to, self.layers) == ("upper_layers", 1)
        if self.readout == "state" and is_unread:
            of_layers = " of one layer" if self.context_to == "upper_layers" else ""
            raise ValueError(
                f"'readout: state' with 'context_to: {self.context_to}'{of_layers} leaves the context to be read by "
                "nothing: choose another 'readout', or let layers read the context"
            )
        if self.context_to == "start" and self.start == "zero":
            raise ValueError("'context_to: start' with 'start: zero' tells the decoder nothing of the source")
        return self


class Dropout(Section):
    """Probabilities of dropping a unit in training."""

    embedding: Probability = 0.2
    """On source and target embeddings."""
    layer: Probability = 0.2
    """On what enters each recurrent layer above the first, and on the encoder's output; in a Transformer, on what
    enters the first layer and on what each block gives."""
    output: Probability = 0.2
    """On what enters the output layer."""
    recurrent: Probability = 0.0
    """On the weights that recurrent cells read their state with, drawn once for a batch (Merity 2018)."""
    word: Probability = 0.0
    """Probability of zeroing the whole embedding of an input token (Sennrich & Zhang 2019)."""
    mask: Literal["step", "sentence"] = "step"
    """`step` draws anew at every position; `sentence` drops the same units along a sentence (Gal 2016); within the
    layers of a Transformer always anew."""


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
        """Whether the decoder looks at the source at every step."""
        return self.is_transformer or self.attention.score != "none"

    @property
    def context_size(self) -> int:
        """Width of what the decoder's steps know of the source."""
        return 0 if self.decoder.context_to == "start" else self.encoder.size

    @property
    def read_size(self) -> int:
        """Width of what the decoder reads of the previous token."""
        return self.embedding.size if self.decoder.feedback else 0

    @property
    def has_target_table(self) -> bool:
        """Whether there is a table of target embeddings: read, or shared with what is."""
        return self.decoder.feedback or self.embedding.tie != "none"

    @property
    def readout_size(self) -> int:
        """Width of what the output layer reads."""
        if self.is_transformer or self.decoder.readout == "state":
            return self.decoder.size
        if self.decoder.readout == "none":
            return self.decoder.size + self.context_size
        return self.decoder.size if self.embedding.tie == "none" else self.embedding.size

    @model_validator(mode="after")
    def _fits(self) -> "Self":
        for name, part in (("encoder", self.encoder), ("decoder", self.decoder)):
            if part.kind == "transformer" and part.size != self.embedding.size:
                raise ValueError(
                    f"a transformer {name} needs embedding.size ({self.embedding.size}) equal to {name}.size "
                    f"({part.size})"
                )
        if self.embedding.tie != "none" and self.readout_size != self.embedding.size:
            raise ValueError(
                f"embedding.tie {self.embedding.tie} needs an output layer that reads embedding.size "
                f"({self.embedding.size}) units, not {self.readout_size}; use tie: none"
            )
        if self.embedding.target_vectors is not None and not self.has_target_table:
            raise ValueError(
                "embedding.target_vectors: with decoder.feedback false and embedding.tie none there are no target "
                "embeddings; leave it out"
            )
        if self.encoder.summary != "last" and (self.is_transformer or not self.reads_summary):
            raise ValueError(
                f"encoder.summary {self.encoder.summary} is read by a recurrent decoder with start: bridge or "
                "context_to: every_step only"
            )
        if self.is_transformer and self.encoder.kind == "transformer" and self.dropout.recurrent:
            raise ValueError("dropout.recurrent means nothing in a network without recurrent layers; leave it out")
        if self.is_transformer:
            if self.attention != Attention():
                raise ValueError("attention.*: a transformer decoder has attention of its own; leave this section out")
            return self
        self._fits_recurrent()
        return self

    @property
    def drops(self) -> bool:
        """Whether dropout makes two passes over the same sentence differ."""
        dropout = self.dropout
        is_stack = self.encoder.layers > 1 or self.decoder.layers > 1
        has_layer = dropout.layer > 0 and (is_stack or self.reads_encoder_outputs)
        return has_layer or max(dropout.embedding, dropout.output, dropout.recurrent, dropout.word) > 0

    @property
    def reads_summary(self) -> bool:
        """Whether the decoder reads the summary of what the encoder gives."""
        return self.decoder.start == "bridge" or self.decoder.context_to == "every_step"

    @property
    def reads_encoder_outputs(self) -> bool:
        """Whether the decoder looks at what the encoder gives at each position, or at a summary of that."""
        if self.is_transformer or self.encoder.kind == "transformer" or self.attention.score != "none":
            return True
        return self.encoder.summary != "last" or self.decoder.start == "mean"

    def _fits_recurrent(self) -> None:
        encoder, attention, decoder = self.encoder, self.attention, self.decoder
        sizes = f"needs encoder.size ({encoder.size}) equal to decoder.size ({decoder.size})"
        if (attention.score == "none") != (decoder.context_to in ("start", "every_step")):
            if attention.score == "none":
                raise ValueError(
                    f"decoder.context_to {decoder.context_to} needs attention; with attention.score none use start or "
                    "every_step"
                )
            raise ValueError(f"decoder.context_to {decoder.context_to} is for attention.score none")
        for key, is_idle in (
            ("layer_norm", encoder.layer_norm),
            ("residual", encoder.residual and encoder.residual_from == encoder.layers),
        ):
            if is_idle and not self.reads_encoder_outputs:
                raise ValueError(
                    f"attention.score none with encoder.summary last reads the top layer's state before encoder.{key}; "
                    f"leave it out, or use {'summary: mean or max' if self.reads_summary else 'decoder.start: mean'}"
                )
        for name, part, width in (("encoder", encoder, self.embedding.size), ("decoder", decoder, self.read_size)):
            if part.kind == "recurrent" and part.residual and part.layers == 1 and width != part.size:
                raise ValueError(
                    f"{name}.residual means nothing for one layer, {part.size} wide, that reads {width} units; "
                    "leave it out"
                )
        if attention.score == "dot" and attention.heads == 1 and encoder.size != decoder.size:
            raise ValueError(f"attention.score dot {sizes}; or use score: general")
        if attention.coverage and decoder.context_to in ("output", "upper_layers"):
            raise ValueError(
                "attention.coverage needs one step after the other: decoder.context_to next_input, all_layers, "
                "same_step or conditional"
            )
        if decoder.copy_source and attention.score == "none":
            raise ValueError("decoder.copy_source needs attention: choose an attention.score")
        if decoder.copy_source and attention.local != "none":
            raise ValueError(
                f"decoder.copy_source copies from anywhere, and attention.local {attention.local} sees a window of the "
                "source; leave one of them out"
            )
        if decoder.start in ("last", "mean") and encoder.size != decoder.size:
            raise ValueError(f"decoder.start {decoder.start} {sizes}; or use start: bridge")
        if decoder.start == "last" and encoder.kind == "transformer":
            raise ValueError("decoder.start last needs a recurrent encoder; or use start: bridge or mean")
        if decoder.start == "last" and encoder.cell != decoder.cell:
            raise ValueError("decoder.start last needs the same cell in encoder and decoder; or use start: bridge")
