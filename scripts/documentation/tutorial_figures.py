"""Draw the pictures of docs/tutorial/ into docs/images/tutorial/, and print the figures that its tables quote.

    python scripts/documentation/tutorial_figures.py [--only NAME …] [--runs FOLDER]

The pictures `gradients`, `recall` and `teacher` need no run; `recall` trains three cells for about a minute. The others
read these runs in FOLDER (runs by default), which are made with these commands in the root of the repository:

    head -n 1000 data/quickstart/train.en > small.en
    head -n 1000 data/quickstart/train.de > small.de
    nmt train --config configs/quickstart.yaml
    nmt train --config configs/quickstart.yaml --set name=fits $SHORT
    nmt train --config configs/quickstart.yaml --set name=overfits $SHORT --set data.train.source=small.en \
        --set data.train.target=small.de --set model.dropout.embedding=0 --set model.dropout.layer=0 \
        --set model.dropout.output=0
    nmt train --config configs/quickstart.yaml --set name=underfits $SHORT --set model.embedding.size=16 \
        --set model.encoder.size=16 --set model.decoder.size=16
    nmt train --config configs/quickstart.yaml --set name=rate-low $RATE --set training.learning_rate=0.0001
    nmt train --config configs/quickstart.yaml --set name=rate-high $RATE --set training.learning_rate=0.1

where SHORT is `--set training.max_steps=800 --set training.validate_every=100 --set training.log_every=25`, and RATE
the same with 400 steps. All random numbers have seeds. The runs depend slightly on the machine.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import nmt
from nmt.config import Training
from nmt.models.cells import CellState
from nmt.models.recurrent_layer import RecurrentLayer
from nmt.reports.alignment import of_translation
from nmt.reports.attention_maps import draw
from nmt.reports.figure import save
from nmt.storage.history import History, read_history
from nmt.training.scheduled_sampling import teacher_probability
from scripts import ROOT
from scripts.reporting import exit_status, parser

IMAGES = ROOT / "docs" / "images" / "tutorial"
CELLS = ("rnn", "gru", "lstm")
COLOURS = {"rnn": "#b3423a", "gru": "#c98a1b", "lstm": "#2a6fb0"}
SENTENCE = "My sister bought two red books."


def new_figure(width: float, columns: int = 1) -> tuple[Figure, list[Any]]:
    """Return a figure of `columns` plots side by side, on white, and its axes."""
    figure = Figure(figsize=(width, 3.0), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for plot in axes:
        plot.spines[["top", "right"]].set_visible(False)
        plot.grid(alpha=0.3, linewidth=0.6)
    return figure, list(axes)


def jacobian_norms(scale: float, steps: int = 40, size: int = 64) -> list[float]:
    """Return |dh_T/dh_{T-k}|_F / sqrt(D) for k = 0, …, `steps` of a tanh cell whose U is `scale` times orthogonal."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        layer = RecurrentLayer("rnn", size, size)
        state: CellState = (torch.zeros(1, size),)
        with torch.no_grad():
            layer.weights[1].mul_(scale)
            layer.weights[0].mul_(0.3)  # small inputs, so that the cell is not saturated from the start
            hidden = []
            for x in torch.randn(steps, 1, size):
                state = layer.step([x], state)
                hidden.append(state[0][0])
        product = torch.eye(size)
        norms = [1.0]
        for h in reversed(hidden):  # dh_t/dh_{t-1} = diag(1 - h_t^2) U
            product = product @ ((1 - h * h).unsqueeze(1) * layer.weights[1].detach())
            norms.append(float(product.norm()) / size**0.5)
    return norms


def gradients() -> Figure:
    """Draw how the gradient of a tanh cell shrinks or grows over the steps that it passes."""
    figure, (plot,) = new_figure(6.0)
    for scale, colour in ((1.5, "#c98a1b"), (1.0, "#2a6fb0"), (0.7, "#b3423a")):
        norms = jacobian_norms(scale)
        plot.semilogy(norms, color=colour, label=f"U = {scale:g} × orthogonal")
        print(f"gradients: scale {scale:g}: after 10 steps {norms[10]:.2g}, after 40 steps {norms[40]:.2g}")
    plot.set_xlabel("steps back in time, k")
    plot.set_ylabel("size of ∂h(T) / ∂h(T−k)")
    plot.legend(frameon=False)
    return figure


class Recaller(nn.Module):
    """Reads `length` symbols and names the first of them from its last state."""

    def __init__(self, cell: str, symbols: int = 8, size: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, size)
        self.layer = RecurrentLayer(cell, size, size)
        self.output = nn.Linear(size, symbols)

    def forward(self, symbols: Tensor) -> Tensor:
        """Return logits (B, 8) for `symbols` (B, S)."""
        outputs, _ = self.layer(self.embedding(symbols))  # (B, S, D)
        logits: Tensor = self.output(outputs[:, -1])
        return logits


def recall_accuracy(cell: str, length: int, steps: int = 400) -> float:
    """Train a `Recaller` for `steps` batches of 64 and return its accuracy on 1,000 new sequences, in percent."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Recaller(cell)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
        for _ in range(steps):
            symbols = torch.randint(8, (64, length))
            loss = nn.functional.cross_entropy(model(symbols), symbols[:, 0])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        with torch.no_grad():
            symbols = torch.randint(8, (1000, length))
            return float((model(symbols).argmax(1) == symbols[:, 0]).float().mean()) * 100


def recall() -> Figure:
    """Draw how well each cell recalls the first symbol of sequences of several lengths."""
    lengths = (5, 10, 15, 20, 30, 40)
    figure, (plot,) = new_figure(6.0)
    for cell in CELLS:
        found = [recall_accuracy(cell, length) for length in lengths]
        plot.plot(lengths, found, marker="o", color=COLOURS[cell], label=cell)
        print(f"recall: {cell}: " + ", ".join(f"{n} symbols {a:.0f} %" for n, a in zip(lengths, found, strict=True)))
    plot.axhline(12.5, color="0.5", linewidth=0.8, linestyle="--", label="guessing")
    plot.set_xlabel("symbols in the sequence")
    plot.set_ylabel("first symbol recalled, %")
    plot.set_ylim(0, 104)
    plot.legend(frameon=False)
    return figure


def teacher() -> Figure:
    """Draw the schedules of the probability of teacher forcing."""
    figure, (plot,) = new_figure(6.0)
    for kind, decay in (("linear", 2000.0), ("exponential", 0.9995), ("inverse_sigmoid", 300.0)):
        values = {"teacher_forcing": kind, "teacher_decay": decay, "teacher_floor": 0.25}
        settings = Training.model_validate(values)
        steps = range(0, 4001, 20)
        plot.plot(steps, [teacher_probability(step, settings) for step in steps], label=f"{kind}, k = {decay:g}")
    plot.set_xlabel("step")
    plot.set_ylabel("probability of the true word")
    plot.set_ylim(0, 1.04)
    plot.legend(frameon=False)
    return figure


def fits(runs: Path) -> Figure:
    """Draw training and validation loss of a run that fits, one that overfits and one that underfits."""
    figure, plots = new_figure(9.0, 3)
    for plot, name in zip(plots, ("fits", "overfits", "underfits"), strict=True):
        history = read_history(runs / name)
        plot.plot(*history.series("train", "loss"), color="#2a6fb0", label="training loss")
        plot.plot(*history.series("valid", "loss"), color="#b3423a", marker="o", markersize=3, label="validation loss")
        plot.set_title(name)
        plot.set_xlabel("step")
        plot.set_ylim(0, 8)
        print(f"fits: {_summary(history)}")
    plots[0].set_ylabel("nats per target token")
    plots[0].legend(frameon=False)
    return figure


def rates(runs: Path) -> Figure:
    """Draw the training loss with a learning rate that is too low, a good one, and one that is too high."""
    figure, (plot,) = new_figure(6.0)
    labels = {"rate-low": "0.0001", "fits": "0.003", "rate-high": "0.1"}
    for (name, label), colour in zip(labels.items(), ("#c98a1b", "#2a6fb0", "#b3423a"), strict=True):
        history = read_history(runs / name)
        history.train[:] = [record for record in history.train if record["step"] <= 400]
        history.valid[:] = [record for record in history.valid if record["step"] <= 400]
        plot.plot(*history.series("train", "loss"), color=colour, label=f"learning_rate {label}")
        print(f"rates: {_summary(history)}")
    plot.set_xlabel("step")
    plot.set_ylabel("training loss")
    plot.legend(frameon=False)
    return figure


def _summary(history: History) -> str:
    """Return the last losses, and the step with the lowest validation loss, as one line."""
    best = history.best("loss", highest=False)
    last, train = history.valid[-1], history.train[-1]
    return (
        f"{history.name}: at step {last['step']} training {train['loss']:.2f}, validation {last['loss']:.2f}, "
        f"BLEU {last['bleu']:.1f}; lowest validation loss {best[1] if best else 0:.2f} at step {best[0] if best else 0}"
    )


def attention(runs: Path) -> Figure:
    """Draw the attention map of one sentence of the quickstart run."""
    translation = nmt.load(runs / "quickstart").translate([SENTENCE], alignments=True)
    return draw(of_translation(next(translation), by_words=True), may_lack=True)


WITHOUT_RUNS: dict[str, Callable[[], Figure]] = {"gradients": gradients, "recall": recall, "teacher": teacher}
WITH_RUNS: dict[str, Callable[[Path], Figure]] = {"fits": fits, "rates": rates, "attention": attention}


def main(arguments: Sequence[str] | None = None, images: Path = IMAGES) -> int:
    """Run the command line and return the exit status."""
    options = parser(__doc__)
    names = [*WITHOUT_RUNS, *WITH_RUNS]
    options.add_argument("--only", nargs="+", choices=names, default=names, help="the pictures to draw (default: all)")
    options.add_argument("--runs", metavar="FOLDER", type=Path, default=Path("runs"), help="folder of the runs")
    given = options.parse_args(arguments)

    def draw_all() -> None:
        for name in given.only:
            figure = WITHOUT_RUNS[name]() if name in WITHOUT_RUNS else WITH_RUNS[name](given.runs)
            save(figure, images / f"{name}.svg")

    return exit_status(draw_all)


if __name__ == "__main__":
    sys.exit(main())
