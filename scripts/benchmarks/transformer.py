"""Train a small Transformer with OpenNMT-py, whose speed of search in CTranslate2 translate.py compares with nmt.

    python scripts/benchmarks/transformer.py RUN --opennmt PYTHON --work FOLDER [--steps 8000]

The Transformer is trained on the prepared data of RUN, so both systems have the same subwords. The checkpoint is
FOLDER/transformer_step_N.pt; training takes hours on two cores. PYTHON is the Python of an environment that has
OpenNMT-py. Then run:

    python scripts/benchmarks/translate.py --model RUN --ctranslate2 PYTHON --transformer FOLDER/transformer_step_N.pt
"""

import argparse
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from nmt.config import load_run_config
from nmt.data.prepared_data import Prepared
from nmt.storage.run_folder import Run
from scripts.benchmarks import processes, toolkits
from scripts.reporting import parser, progress, run_in_folder

SIZE, LAYERS, HEADS, FEED_FORWARD = 128, 4, 4, 256
"""Transformer-tiny, for which figures on Multi30k are published (Wu 2021)."""


def settings(text: toolkits.Text, folder: Path, steps: int) -> dict[str, Any]:
    """Return the OpenNMT-py settings: the network above, trained as by Vaswani (2017) with more dropout."""
    return {
        **toolkits.opennmt_base(text, steps),
        "save_model": str(folder / "transformer"),
        "save_checkpoint_steps": 500,
        "keep_checkpoint": 2,
        "encoder_type": "transformer",
        "decoder_type": "transformer",
        "position_encoding": "true",
        "layers": LAYERS,
        "heads": HEADS,
        "hidden_size": SIZE,
        "word_vec_size": SIZE,
        "transformer_ff": FEED_FORWARD,
        "share_decoder_embeddings": "true",
        "dropout": [0.3],
        "attention_dropout": [0.1],
        "batch_type": "tokens",
        "batch_size": 4096,
        "adam_beta2": 0.98,
        "decay_method": "noam",
        "warmup_steps": 2000,
        "learning_rate": 2.0,
        "max_grad_norm": 0.0,
        "label_smoothing": 0.1,
        "average_decay": 0.0005,
        "report_every": 100,
        "seed": 1,
    }


def train(options: argparse.Namespace, folder: Path) -> None:
    """Train with OpenNMT-py on the pieces of the run's prepared data."""
    prepared = Prepared.open(load_run_config(Run.open(options.run)).prepared)
    text = toolkits.write_text(prepared, folder / "text")
    path = toolkits.write_yaml(folder / "transformer.yaml", settings(text, folder, options.steps))
    python = processes.checked_python(options.opennmt)
    assert python is not None
    log = folder / "transformer.log"
    progress(f"training; see {log} for its progress")
    usage = processes.run("OpenNMT-py", [python, "-m", "onmt.bin.train", "-config", path], log)
    progress(f"{folder / f'transformer_step_{options.steps}.pt'}: trained in {usage.seconds / 60:.1f} minutes")


def main() -> int:
    """Run the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("run", type=Path, help="an nmt run, whose subwords and text are used")
    arguments.add_argument("--opennmt", type=Path, required=True, metavar="PYTHON", help="Python with OpenNMT-py")
    arguments.add_argument("--work", type=Path, required=True, metavar="FOLDER", help="folder for all files")
    arguments.add_argument("--steps", type=int, default=8000, help="training steps (default %(default)s)")
    return run_in_folder(train, arguments.parse_args())


if __name__ == "__main__":
    sys.exit(main())
