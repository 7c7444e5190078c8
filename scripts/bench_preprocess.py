"""Measure `nmt preprocess` on a synthetic corpus: pairs/s, and the peak memory of the parent and its largest child.

python scripts/bench_preprocess.py [--pairs 2000000] [--workers 0] [--set subword.joint=false ...]
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

_WORDS = 60_000
_CHUNK = 50_000


def vocabulary(draw: np.random.Generator, syllables: list[str]) -> list[str]:
    """Return made-up words, the frequent ones short."""
    parts = np.array(syllables)
    return ["".join(draw.choice(parts, size=1 + min(4, int(np.log10(i + 1))))) for i in range(_WORDS)]


def write_corpus(folder: Path, pairs: int) -> None:
    """Write train and valid files of lines of about 12 words with Zipf's frequencies."""
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


def main() -> None:
    """Make the corpus, run the command, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nmt-bench-") as name:
        folder = Path(name)
        write_corpus(folder, options.pairs)
        corpora = {
            split: {side: str(folder / f"{split}.{side}") for side in ("source", "target")}
            for split in ("train", "valid")
        }
        data = {**corpora, "prepared": str(folder / "prepared"), "filters": {"duplicates": True, "max_ratio": 4}}
        config = folder / "config.yaml"
        config.write_text(
            yaml.safe_dump({"name": "bench", "data": {**data, "workers": options.workers}}), encoding="utf-8"
        )
        overrides = [part for override in options.overrides for part in ("--set", override)]
        size = sum(path.stat().st_size for path in folder.glob("train.*"))
        print(f"{options.pairs:,} pairs, {size / 1e6:,.0f} MB of text", flush=True)
        began = time.monotonic()
        # The command runs in this program's child, so that RUSAGE_CHILDREN of the child is the largest worker.
        measured = subprocess.run(
            [sys.executable, __file__, "--measured", str(config), *overrides], check=True, stdout=subprocess.PIPE
        )
        seconds = time.monotonic() - began
        parent, child = map(int, measured.stdout.split())
        print(f"{seconds:.1f} s, {options.pairs / seconds:,.0f} pairs/s")
        print(f"peak memory: parent {parent / 1024:,.0f} MiB, largest child {child / 1024:,.0f} MiB")


def measured() -> None:
    """Run the command in this process and print the peak resident KiB of it and of its largest child."""
    from nmt.cli.preprocess import command

    command.main(["--config", *sys.argv[2:]], standalone_mode=False)
    usage = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(*usage)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measured"]:
        measured()
    else:
        main()
