"""Measure `nmt preprocess` on a synthetic corpus: pairs per second, peak memory of the parent and largest child.

    python scripts/benchmarks/preprocess.py [--pairs 2000000] [--workers 0] [--set subword.joint=false ...]
                                            [--work FOLDER]

The peak memory is the resident memory that the system reports for each process. Needs a Unix system.
"""

import argparse
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from scripts import reporting

_WORDS = 60_000
_CHUNK = 50_000


def vocabulary(draw: np.random.Generator, syllables: list[str]) -> list[str]:
    """Return invented words; the frequent ones are short."""
    parts = np.array(syllables)
    return ["".join(draw.choice(parts, size=1 + min(4, int(np.log10(i + 1))))) for i in range(_WORDS)]


def write_corpus(folder: Path, pairs: int) -> None:
    """Write training and validation files; lines have about 12 words, whose frequencies follow Zipf's law."""
    draw = np.random.default_rng(0)
    chances = 1 / np.arange(2, _WORDS + 2)
    chances /= chances.sum()
    words = {
        "source": vocabulary(draw, re.findall("..?.?", "theaneringoutlytionstercompre")),
        "target": vocabulary(draw, re.findall("..?.?", "dergeungschürichleißverstökna")),
    }
    for name, count in (("train", pairs), ("valid", 2000)):
        files = {side: (folder / f"{name}.{side}").open("w", encoding="utf-8") for side in words}
        for start in range(0, count, _CHUNK):
            lengths = np.clip(draw.normal(12, 5, min(_CHUNK, count - start)).astype(int), 1, 60)
            for side, file in files.items():
                chosen = iter(draw.choice(_WORDS, int(lengths.sum()), p=chances).tolist())
                known = words[side]
                file.writelines(" ".join([known[next(chosen)] for _ in range(n)]) + " .\n" for n in lengths)
        for file in files.values():
            file.close()


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Generate the corpus, run the command and print the figures."""
    write_corpus(folder, options.pairs)
    corpora = {
        split: {side: str(folder / f"{split}.{side}") for side in ("source", "target")} for split in ("train", "valid")
    }
    data = {**corpora, "prepared": str(folder / "prepared"), "filters": {"duplicates": True, "max_ratio": 4}}
    values = {"name": "bench", "data": {**data, "workers": options.workers}}
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    overrides = [part for override in options.overrides for part in ("--set", override)]
    size = sum(path.stat().st_size for path in folder.glob("train.*"))
    print(f"{options.pairs:,} pairs, {size / 1e6:,.0f} MB of text", flush=True)
    start = time.monotonic()
    # nmt runs in a child of this process, so that RUSAGE_CHILDREN of that child is its largest worker.
    command = [sys.executable, __file__, "--measured", str(config), *overrides]
    measured = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    seconds = time.monotonic() - start
    parent, child = map(int, measured.stdout.split())
    print(f"{seconds:.1f} s, {options.pairs / seconds:,.0f} pairs/s")
    print(f"peak memory: parent {parent / 1024:,.0f} MiB, largest child {child / 1024:,.0f} MiB")


def run_measured(arguments: list[str]) -> None:
    """Run nmt preprocess in this process; print the peak resident KiB of this process and of its largest child."""
    from nmt.cli.preprocess import command

    command.main(["--config", *arguments], standalone_mode=False)
    print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def main() -> int:
    """Run the command line."""
    parser = reporting.parser(__doc__, "--work")
    parser.add_argument("--pairs", type=int, default=2_000_000, help="sentence pairs (default 2,000,000)")
    parser.add_argument("--workers", type=int, default=0, help="data.workers (default: one per core)")
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE", help="override a config key"
    )
    return reporting.run_in_folder(measure, parser.parse_args())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measured"]:
        run_measured(sys.argv[2:])
    else:
        sys.exit(main())
