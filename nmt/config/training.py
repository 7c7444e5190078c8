"""How the weights are found."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from nmt.config.section import NotNegative, PathOf, Positive, Probability, Section

if TYPE_CHECKING:
    from typing_extensions import Self


class Training(Section):
    """How the weights are found."""

    max_steps: Positive = 10_000
    """Optimizer steps of the whole run."""
    tokens_per_batch: Positive | None = None
    """Target tokens per optimizer step, padding not counted; default 4096 where `sentences_per_batch` is not set."""
    sentences_per_batch: Positive | None = None
    """Sentences per optimizer step, in place of `tokens_per_batch`."""
    accumulate: Positive = 1
    """Split each optimizer step into so many forward and backward passes: same result, less memory."""
    max_tokens: Positive = 256
    """Pairs with more subword tokens than this on a side, EOS not counted, are left out (and counted in the log)."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (Kingma & Ba 2015), or AdamW with decoupled weight decay (Loshchilov & Hutter 2019)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Highest learning rate."""
    betas: tuple[Probability, Probability] = (0.9, 0.998)
    """Adam's decay rates of the two moments."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Adam's epsilon."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's decay, L2 penalty with adam."""
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = "cosine"
    """Learning rate after warm-up: cosine falls to `min_learning_rate` at `max_steps`; plateau multiplies by
    `plateau_factor` when `metric` has not improved for `plateau_patience` validations."""
    warmup_steps: NotNegative = 400
    """Steps over which the learning rate rises linearly from zero."""
    min_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    """The learning rate never falls below this after warm-up."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """What plateau multiplies the learning rate by."""
    plateau_patience: Positive = 3
    """Validations without improvement before plateau acts; which ones count, see `patience`."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Largest L2 norm of the gradient; 0 does not clip."""
    label_smoothing: Probability = 0.1
    """Probability mass spread over the whole vocabulary (Szegedy 2016)."""
    r_drop: Annotated[float, Field(ge=0)] = 0.0
    """Read each batch twice, with other dropout, and bring both predictions together with this weight (R-Drop, Liang
    2021), e.g. 5; 0 is off."""
    coverage_loss: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the loss on attention to what has had attention, where `model.attention.coverage` is on (See 2017)."""
    coverage_after: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of `max_steps` before that loss is added; from the start it disturbs learning (See 2017, section 5)."""
    teacher_forcing: Literal["always", "linear", "exponential", "inverse_sigmoid"] = "always"
    """Scheduled sampling (Bengio 2015): how the share of true previous tokens falls, the others being drawn from the
    model: 1 - step / k, k^step or k / (k + exp(step / k)), k being `teacher_decay`."""
    teacher_decay: Annotated[float, Field(gt=0)] | None = None
    """k of `teacher_forcing`: a number of steps, at least 1; for exponential just below 1."""
    teacher_floor: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """The share of true previous tokens never falls below this."""
    objective: Literal["likelihood", "risk"] = "likelihood"
    """likelihood, or the expected loss of sentence BLEU over sampled translations, of a trained model (Shen 2016);
    label smoothing and the loss of coverage then do not act."""
    risk_samples: Annotated[int, Field(ge=2)] = 10
    """Translations drawn for each source with `objective: risk`; the reference is one more."""
    risk_sharpness: Annotated[float, Field(gt=0)] = 0.005
    """Exponent alpha of the probabilities that the risk is weighed by."""
    init_from: PathOf | None = None
    """Begin with the weights of this run or checkpoint folder, whose network, subword model (see `subword.reuse`) and
    normalisation of text must be the same; only `model.attention.coverage` may be added, as See (2017) does for a short
    second phase. They are validated before the first step, as step 0."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the matrix products; weights stay fp32. auto = bf16 where the processor or GPU has it."""
    ema_decay: Probability = 0.0
    """Validate and keep an exponential moving average of the weights with this decay, e.g. 0.999; 0 is off."""
    average_last: NotNegative = 0
    """At the end also write `checkpoints/averaged`, the mean of so many last checkpoints (at most `keep_last`)."""
    validate_every: Positive = 500
    """Steps between validations."""
    validation_bleu: bool = True
    """Translate the validation source greedily and report BLEU, besides the loss."""
    validation_sentences: NotNegative = 0
    """Translate only so many validation sentences; 0 translates all."""
    metric: Literal["bleu", "loss"] = "bleu"
    """What decides the best checkpoint, early stopping and plateau: bleu rises, loss falls. Of two equal BLEU, the one
    with the lower loss is better; a BLEU below 0.005, shown as 0.00, counts as 0."""
    patience: NotNegative = 0
    """Stop early after so many validations without a better `metric`; 0 never does. Validations up to `warmup_steps` do
    not count, nor, with `metric: bleu`, those before the first with a BLEU above 0 (of 0.005 or more)."""
    save_every: Positive = 500
    """Steps between checkpoints."""
    keep_last: Positive = 2
    """Checkpoints kept besides the best one."""
    log_every: Positive = 50
    """Steps between lines of log.jsonl."""
    threads: NotNegative = 0
    """Processor threads of torch; 0 leaves torch's choice."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto = the GPU where there is one."""

    @model_validator(mode="after")
    def _consistent(self) -> "Self":
        if self.tokens_per_batch and self.sentences_per_batch:
            raise ValueError("give 'tokens_per_batch' or 'sentences_per_batch', not both")
        if self.metric == "bleu" and not self.validation_bleu:
            raise ValueError("'metric: bleu' needs 'validation_bleu: true'")
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"'min_learning_rate' {self.min_learning_rate:g} is above 'learning_rate' {self.learning_rate:g}"
            )
        if self.teacher_forcing != "always" and self.teacher_decay is None:
            raise ValueError(f"'teacher_forcing: {self.teacher_forcing}' needs 'teacher_decay'")
        if self.teacher_forcing == "exponential" and (self.teacher_decay or 1) >= 1:
            raise ValueError(f"'teacher_forcing: exponential' needs 'teacher_decay' below 1, not {self.teacher_decay}")
        if self.teacher_forcing in ("linear", "inverse_sigmoid") and (self.teacher_decay or 1) < 1:
            raise ValueError(
                f"'teacher_forcing: {self.teacher_forcing}' needs 'teacher_decay' of 1 or more, a number of steps, "
                f"not {self.teacher_decay}"
            )
        if self.schedule != "plateau":
            self.refuse_idle(["plateau_factor", "plateau_patience"], "without 'schedule: plateau'")
        if not self.validation_bleu:
            self.refuse_idle(["validation_sentences"], "with 'validation_bleu: false'")
        if self.teacher_forcing == "always":
            self.refuse_idle(["teacher_decay", "teacher_floor"], "with 'teacher_forcing: always'")
        if self.objective != "risk":
            self.refuse_idle(["risk_samples", "risk_sharpness"], "without 'objective: risk'")
        if self.objective == "risk":
            if self.init_from is None:
                raise ValueError("'objective: risk' is for a trained model: name its run in 'init_from'")
            if self.r_drop or self.teacher_forcing != "always":
                raise ValueError("'objective: risk' goes with neither 'r_drop' nor 'teacher_forcing'")
        if self.average_last > self.keep_last:
            raise ValueError(f"'average_last' {self.average_last} needs 'keep_last' of at least as many")
        if self.weight_decay and self.optimizer == "adam" and self.weight_decay > 0.1:
            raise ValueError("'weight_decay' above 0.1 is meant for 'optimizer: adamw'")
        return self
