"""The section `training`: batches, optimizer, learning rate, objective, validation and checkpoints."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nmt.config.section import NotNegative, PathOf, Positive, Probability, Section, reject
from nmt.engine import DEVICE, DEVICES

if TYPE_CHECKING:
    from typing_extensions import Self


def _check_device(name: str) -> str:
    if not DEVICE.fullmatch(name):
        raise ValueError(f"{name!r} is no device; use {DEVICES}")
    return name


class Training(Section):
    """How the model is trained."""

    max_steps: Positive = 10_000
    """Optimizer steps of the whole run."""
    tokens_per_batch: Positive | None = None
    """Target tokens per optimizer step, without padding; default 4096 if `sentences_per_batch` is not set."""
    sentences_per_batch: Positive | None = None
    """Sentences per optimizer step, in place of `tokens_per_batch`."""
    accumulate: Positive = 1
    """Gradient accumulation: number of micro-batches per optimizer step; same result with less memory."""
    max_tokens: Positive = 256
    """Pairs with more subword tokens than this on a side, EOS not counted, are left out (and counted in the log)."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam (Kingma & Ba 2015), or AdamW with decoupled weight decay (Loshchilov & Hutter 2019)."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak learning rate, reached at the end of the warm-up."""
    betas: tuple[Probability, Probability] = (0.9, 0.998)
    """Adam's decay rates of the two moments."""
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    """Adam's epsilon."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Weight decay of adamw; L2 penalty of adam."""
    schedule: Literal["constant", "inverse_sqrt", "cosine", "plateau"] = "cosine"
    """Learning rate after the warm-up. cosine falls to `min_learning_rate` at `max_steps`; plateau multiplies by
    `plateau_factor` when `metric` has not improved for `plateau_patience` validations."""
    warmup_steps: NotNegative = 400
    """Steps over which the learning rate rises linearly from zero."""
    min_learning_rate: Annotated[float, Field(ge=0)] = 0.0
    """Lower bound of the learning rate after the warm-up."""
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Factor by which the plateau schedule multiplies the learning rate."""
    plateau_patience: Positive = 3
    """Validations without improvement before the plateau schedule acts; `patience` says which validations count."""
    clip_norm: Annotated[float, Field(ge=0)] = 1.0
    """Maximum L2 norm of the gradient; 0 does not clip."""
    label_smoothing: Probability = 0.1
    """Probability mass distributed over the whole vocabulary (Szegedy 2016)."""
    r_drop: Annotated[float, Field(ge=0)] = 0.0
    """R-Drop (Liang 2021): weight of the divergence between two passes over each batch with different dropout, e.g. 5;
    0 is off."""
    coverage_loss: Annotated[float, Field(ge=0)] = 1.0
    """Weight of the coverage loss, if `model.attention.coverage` is on (See 2017, eq. 12)."""
    coverage_after: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of `max_steps` after which the coverage loss is added; from the start it disturbs learning (See 2017,
    section 5)."""
    teacher_forcing: Literal["always", "linear", "exponential", "inverse_sigmoid"] = "always"
    """Scheduled sampling (Bengio 2015): schedule of the probability of teacher forcing. Other previous tokens are
    sampled from the model. With k = `teacher_decay`: 1 - step / k, k^step or k / (k + exp(step / k))."""
    teacher_decay: Annotated[float, Field(gt=0)] | None = None
    """k of `teacher_forcing`: a number of steps, at least 1; for exponential just below 1."""
    teacher_floor: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Lower bound of the probability of teacher forcing."""
    objective: Literal["likelihood", "risk"] = "likelihood"
    """likelihood, or minimum risk: the expected loss of sentence BLEU over sampled translations of a trained model
    (Shen 2016). With risk, label smoothing and the coverage loss have no effect."""
    risk_samples: Annotated[int, Field(ge=2)] = 10
    """Translations sampled per source sentence with `objective: risk`, besides the reference."""
    risk_sharpness: Annotated[float, Field(gt=0)] = 0.005
    """Exponent alpha of the probabilities that weight the risk."""
    init_from: PathOf | None = None
    """Initialise the weights from this run or checkpoint folder. Network, subword model (see `subword.reuse`) and text
    normalisation must be the same. `model.attention.coverage` may be added, as See (2017) does for a short second
    phase, and the subword model may be an extended one (see `nmt tune`): a new row is the mean of the rows of the
    tokens that its piece was segmented into. The weights are validated before the first step, as step 0."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Data type of the matrix products; weights stay fp32. auto is bf16 if the CPU or GPU has instructions for it, and
    fp16, with a scaled loss, on other GPUs of NVIDIA."""
    ema_decay: Probability = 0.0
    """Decay of an exponential moving average of the weights, which is validated and saved, e.g. 0.999; 0 is off."""
    average_last: NotNegative = 0
    """Number of last checkpoints whose mean is written to `checkpoints/averaged` at the end (at most `keep_last`)."""
    validate_every: Positive = 500
    """Steps between validations."""
    validation_bleu: bool = True
    """Translate the validation source greedily and report BLEU, besides the loss."""
    validation_sentences: NotNegative = 0
    """Number of validation sentences to translate; 0 translates all."""
    metric: Literal["bleu", "loss"] = "bleu"
    """Metric for the best checkpoint, early stopping and the plateau schedule: higher BLEU or lower loss is better. If
    two BLEU are equal, the lower loss is better; a BLEU below 0.005, shown as 0.00, counts as 0."""
    patience: NotNegative = 0
    """Early stopping: validations without improvement of `metric` before training stops; 0 is off. Validations up to
    `warmup_steps` do not count. With `metric: bleu`, neither do validations before the first BLEU of 0.005 or more."""
    save_every: Positive = 500
    """Steps between checkpoints."""
    keep_last: Positive = 2
    """Number of checkpoints to keep besides the best one."""
    log_every: Positive = 50
    """Steps between lines of log.jsonl."""
    tensorboard: bool = False
    """Also write the values of log.jsonl to runs/NAME/tensorboard, for TensorBoard. Needs the extra `tensorboard`."""
    threads: NotNegative = 0
    """CPU threads of torch; 0 leaves the choice to torch."""
    device: Annotated[str, AfterValidator(_check_device)] = "auto"
    """auto, cpu, cuda, cuda:N for the GPU of that number, or mps (Apple). auto uses the NVIDIA GPU if there is one;
    under torchrun, each process of a machine uses its own."""

    @model_validator(mode="after")
    def _check(self) -> "Self":
        decay = self.teacher_decay or 1
        reject(
            (
                self.tokens_per_batch and self.sentences_per_batch,
                "give 'tokens_per_batch' or 'sentences_per_batch', not both",
            ),
            (
                self.metric == "bleu" and not self.validation_bleu,
                "'metric: bleu' needs 'validation_bleu: true'",
            ),
            (
                self.min_learning_rate > self.learning_rate,
                f"'min_learning_rate' {self.min_learning_rate:g} is above 'learning_rate' {self.learning_rate:g}",
            ),
            (
                self.teacher_forcing != "always" and self.teacher_decay is None,
                f"'teacher_forcing: {self.teacher_forcing}' needs 'teacher_decay'",
            ),
            (
                self.teacher_forcing == "exponential" and decay >= 1,
                f"'teacher_forcing: exponential' needs 'teacher_decay' below 1, not {self.teacher_decay}",
            ),
            (
                self.teacher_forcing in ("linear", "inverse_sigmoid") and decay < 1,
                f"'teacher_forcing: {self.teacher_forcing}' needs 'teacher_decay' of 1 or more, a number of steps, not "
                f"{self.teacher_decay}",
            ),
            (
                self.objective == "risk" and self.init_from is None,
                "'objective: risk' needs a trained model: set 'init_from' to its run",
            ),
            (
                self.objective == "risk" and (self.r_drop or self.teacher_forcing != "always"),
                "'objective: risk' cannot be combined with 'r_drop' or 'teacher_forcing'",
            ),
            (
                self.average_last > self.keep_last,
                f"'average_last' {self.average_last} needs 'keep_last' of at least as many",
            ),
            (
                self.optimizer == "adam" and self.weight_decay > 0.1,
                "'weight_decay' above 0.1 is meant for 'optimizer: adamw'",
            ),
        )
        unused = {
            "without 'schedule: plateau'": (self.schedule != "plateau", ["plateau_factor", "plateau_patience"]),
            "with 'validation_bleu: false'": (not self.validation_bleu, ["validation_sentences"]),
            "with 'teacher_forcing: always'": (self.teacher_forcing == "always", ["teacher_decay", "teacher_floor"]),
            "without 'objective: risk'": (self.objective != "risk", ["risk_samples", "risk_sharpness"]),
        }
        for when, (is_unused, keys) in unused.items():
            if is_unused:
                self.reject_unused(keys, when)
        return self
