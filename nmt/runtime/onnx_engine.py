"""An exported network in ONNX Runtime as an engine for search (`nmt.engine`).

The graphs do the work (`nmt.runtime.network` describes their inputs and outputs); this module knows no architecture. A
state remembers which rows of the previous state its hypotheses continue, and the decoder graph gathers these rows at
the next step.

Axes: B sentences, K slots per sentence, N hypotheses, S source tokens, P source tokens padded to a multiple of
`ROUND_LENGTH`, V target vocabulary, C candidates, U tokens of a shortlist.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nmt.data.token_ids import PAD
from nmt.engine import Bools, Floats, Ints, Prediction, Wanted
from nmt.errors import NmtError
from nmt.runtime.graph_files import EXPORT_REMEDY
from nmt.runtime.graph_interface import check_interface
from nmt.runtime.library import onnxruntime
from nmt.storage.cores import requested_threads

ROUND_LENGTH = 4
"""If the length is a multiple of this, a sentence does not depend on the others of its batch, in most architectures to
the last bit: ONNX Runtime adds the products of a single row in groups of this size, and the rest of a row in another
order."""
BATCH_TOKENS = 2048
"""Source tokens of a batch, counted once for each hypothesis: products of 100 rows are as fast as those of 400."""
OUT_OF_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation", "Memory allocation")
"""What ONNX Runtime says if memory runs out."""


@dataclass(frozen=True)
class OnnxMemory:
    """B encoded source sentences."""

    mask: Bools
    """(B, P) True on real tokens."""
    length: int
    """S, the length of the longest sentence."""
    source: Ints
    """(B, P) ids; source words outside the vocabulary have ids from V on (copying)."""
    by_token: Mapping[str, Floats]
    """Outputs of the encoder for each source token, (B, P, …)."""
    by_sentence: Mapping[str, Floats]
    """Outputs of the encoder for each sentence, (B, …)."""
    start: tuple[Floats, ...]
    """The first state of one hypothesis per sentence, (B, …) each."""
    extra_words: int
    """Number of ids from V on."""
    shortlist: tuple[Ints, Bools] | None = None
    """Target tokens that may be generated, (U,), and which of them each sentence may generate, (B, U)."""
    slots: Ints | None = None
    """(N,) slots of the hypotheses out of B * `width`; None if all slots are used."""
    width: int = 0
    """K; used only if `slots` are given."""

    @property
    def is_real(self) -> Bools:
        """See `nmt.engine.Memory`."""
        return self.mask[:, : self.length]

    def select(self, rows: Ints) -> "OnnxMemory":
        """See `nmt.engine.Memory`."""
        mask = self.mask[rows]
        length = int(mask.sum(1).max(initial=0))
        padded = padded_length(length)
        return OnnxMemory(
            mask[:, :padded],
            length,
            self.source[rows, :padded],
            {name: part[rows, :padded] for name, part in self.by_token.items()},
            {name: part[rows] for name, part in self.by_sentence.items()},
            (),
            self.extra_words,
            None if self.shortlist is None else (self.shortlist[0], self.shortlist[1][rows]),
        )

    def at(self, slots: Ints | None, width: int) -> "OnnxMemory":
        """See `nmt.engine.Memory`."""
        return self if slots is None and self.slots is None else dataclasses.replace(self, slots=slots, width=width)


@dataclass(frozen=True)
class OnnxState:
    """The state of N hypotheses: rows of the state that a step has returned."""

    parts: tuple[Any, ...]
    """The values of `state.0`, `state.1`, … before reordering."""
    parents: Ints
    """(N,) row of `parts` of each hypothesis."""
    position: int
    """Number of target tokens read."""

    def select(self, rows: Ints) -> "OnnxState":
        """See `nmt.engine.State`."""
        return OnnxState(self.parts, self.parents[rows], self.position)


class OnnxEngine:
    """Runs the encoder and the decoder graph of a network, each call in one thread of the caller."""

    batch_tokens = BATCH_TOKENS
    rounds_rows = False

    def __init__(self, encoder: bytes, decoder: bytes, vocabulary: int) -> None:
        """Load serialised graphs of a network with a target `vocabulary` of V entries.

        Raise `ValueError` with the reason if they are not the graphs of a network.
        """
        self._encoder, self._decoder = open_session(encoder), open_session(decoder)
        check_interface(self._encoder, self._decoder)
        self._vocabulary = vocabulary
        self._encoder_outputs = [output.name for output in self._encoder.get_outputs()]
        self._inputs = {each.name for each in self._decoder.get_inputs()}
        outputs = [output.name for output in self._decoder.get_outputs()]
        self._next = [name for name in outputs if name.startswith("next.")]
        self.batches_at_once = requested_threads()

    def encode(self, source: Ints, lengths: Ints) -> OnnxMemory:
        """See `nmt.engine.Engine`."""
        length = source.shape[1]
        padded = np.full((len(source), padded_length(length)), PAD)  # (B, P)
        padded[:, :length] = source
        values = _run(self._encoder, self._encoder_outputs, {"source": padded, "lengths": lengths})
        found = dict(zip(self._encoder_outputs, values, strict=True))
        return OnnxMemory(
            np.arange(padded.shape[1]) < lengths[:, None],
            length,
            padded,
            {name: part for name, part in found.items() if not name.startswith(("state.", "summary"))},
            {name: part for name, part in found.items() if name == "summary"},
            tuple(found[name.replace("next", "state")] for name in self._next),
            max(0, int(source.max()) + 1 - self._vocabulary),
        )

    def restrict(self, memory: OnnxMemory, tokens: Ints, is_allowed: Bools) -> OnnxMemory:
        """See `nmt.engine.Engine`."""
        return dataclasses.replace(memory, shortlist=(tokens, is_allowed))

    def start(self, memory: OnnxMemory, width: int) -> OnnxState:
        """See `nmt.engine.Engine`."""
        return OnnxState(memory.start, np.repeat(np.arange(len(memory.mask)), width), 0)

    def step(self, token: Ints, state: OnnxState, memory: OnnxMemory, wanted: Wanted) -> tuple[OnnxState, Prediction]:
        """See `nmt.engine.Engine`."""
        count = len(token)
        wants_all = wanted.candidates is None or memory.shortlist is not None
        rows = np.arange(count)
        slots, rows_of_slots, width = rows, rows, count // len(memory.mask)
        if memory.slots is not None:
            slots, width = memory.slots, memory.width
            rows_of_slots = _rows_of(slots, len(memory.mask) * width)
        feeds: dict[str, Any] = {
            "token": token,
            "parents": state.parents,
            "slots": slots,
            "rows": rows_of_slots,
            "sentences": slots // width,
            "position": np.array(state.position),
            "is_real": memory.mask,
            "source": memory.source,
            "extra_words": np.array([memory.extra_words]),
            "count": np.array([wanted.candidates or 1]),
            "wants_all": np.array(wants_all),
            **memory.by_token,
            **memory.by_sentence,
            **{f"state.{number}": part for number, part in enumerate(state.parts)},
        }
        names = [*self._next, *(["log_probs"] if wants_all else ["values", "tokens"])]
        names += ["alignment"] if wanted.alignment else []
        found = _run(self._decoder, names, {name: feeds[name] for name in self._inputs})
        parts, others = tuple(found[: len(self._next)]), found[len(self._next) :]
        alignment = others.pop()[:, : memory.length] if wanted.alignment else None
        log_probs, tokens = others[0], None if wants_all else others[1]
        following = OnnxState(parts, rows, state.position + 1)
        if memory.shortlist is None:
            return following, Prediction(log_probs, tokens, alignment)
        return following, _restrict(log_probs, memory, feeds["sentences"], alignment)


def padded_length(length: int) -> int:
    """Return a number of source tokens, rounded up to P."""
    return -(-length // ROUND_LENGTH) * ROUND_LENGTH


def open_session(graph: bytes) -> onnxruntime.InferenceSession:
    """Return a session for a serialised graph. It computes in the thread of the caller, and starts no threads.

    Raise `ValueError` with the reason if ONNX Runtime cannot load the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # shapes differ from call to call
    options.enable_cpu_mem_arena = False  # it keeps up to twice the memory that a batch needs, and saves no time
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")  # the format that `graph_check` has checked
    try:
        # Without the fallback, ONNX Runtime prints nothing on standard output if it fails.
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:
        _raise_if_out_of_memory(error)
        raise ValueError(f"ONNX Runtime cannot load it: {_reason(error)}") from None
    session._model_bytes = None  # a copy of the graph, which only the fallback would read
    return session


def _run(session: onnxruntime.InferenceSession, names: list[str], feeds: dict[str, Any]) -> list[Any]:
    """Run a session. Raise `MemoryError` if memory runs out, and `NmtError` if the graph cannot be run."""
    try:
        found: list[Any] = session.run(names, feeds)
    except Exception as error:
        _raise_if_out_of_memory(error)
        raise NmtError(f"the graph of the model cannot be run: {_reason(error)}; {EXPORT_REMEDY}") from error
    return found


def _raise_if_out_of_memory(error: Exception) -> None:
    if any(message in str(error) for message in OUT_OF_MEMORY):
        raise MemoryError(str(error)) from None


def _reason(error: Exception) -> str:
    """Return the end of the message of an error of ONNX Runtime in one line."""
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else f"…{text[-200:]}"


def _rows_of(slots: Ints, count: int) -> Ints:
    """Return the row of the hypothesis in each of `count` slots, 0 for an empty one."""
    rows = np.zeros(count, np.int64)
    rows[slots] = np.arange(len(slots))
    return rows


def _restrict(log_probs: Floats, memory: OnnxMemory, sentences: Ints, alignment: Floats | None) -> Prediction:
    """Return the log-probabilities (N, U) of the shortlist, normalised over the tokens that each sentence may use."""
    assert memory.shortlist is not None
    tokens, is_allowed = memory.shortlist
    chosen = np.where(is_allowed[sentences], log_probs[:, tokens], np.float32(-np.inf))  # (N, U)
    largest = chosen.max(1, keepdims=True)
    chosen -= largest + np.log(np.exp(chosen - largest).sum(1, keepdims=True))
    return Prediction(chosen, tokens, alignment)
