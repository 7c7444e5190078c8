"""Print what a version of nmt computes: digests of weights, log figures and translations of eleven small trainings.

    python scripts/verification/fingerprint.py --clone FOLDER > before.json
    python scripts/verification/fingerprint.py --compare before.json after.json

The quickstart is trained for 500 steps and ten systems of `configs/systems/` for 100 steps each, with seed 1 and one
thread, in `runs/fingerprint-NAME` of the clone. A finished run in that folder is used again. Two versions with the same
digests compute the same to the last bit on the machine that ran both. A change that only moves or renames code must not
change a digest.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from safetensors.numpy import load_file

SYSTEMS = [
    "bahdanau2015", "cho2014", "gnmt2016", "luong2015-general-feed", "luong2015-local-p", "nematus2017",
    "rnmtplus2018", "see2017", "sutskever2014", "transformer2017",
]  # fmt: skip
TIMES = {"seconds", "tokens_per_second", "source_tokens_per_second", "torch", "time", "memory"}
"""Keys of a log line that differ between two runs of the same version."""
SEARCHES = {
    "greedy": ["--greedy", "--precision", "fp32"],
    "beam": ["--beam-size", "5", "--n-best", "3", "--format", "json", "--precision", "fp32"],
    "int8": ["--beam-size", "4", "--precision", "int8"],
}
EVERY = {"training.log_every": 25, "training.validate_every": 50, "data.workers": 1}
LINES = 150
"""Lines of the test set that each search translates."""


def digest(data: bytes) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()[:16]


def run(clone: Path, arguments: list[str], text: str = "") -> str:
    """Return what `nmt ARGUMENTS` of `clone` prints on stdout."""
    environment = {**os.environ, "PYTHONPATH": str(clone), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "nmt", *arguments]
    done = subprocess.run(command, cwd=clone, env=environment, input=text, capture_output=True, encoding="utf-8")
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} in {clone}: {done.stderr}")
    return done.stdout


def weights(checkpoint: Path) -> str:
    """Return one digest over all tensors of a checkpoint: names, shapes, types and values."""
    tensors = load_file(checkpoint / "model.safetensors")
    parts = [f"{name} {x.shape} {x.dtype} ".encode() + x.tobytes() for name, x in sorted(tensors.items())]
    return digest(b"".join(parts))


def log_figures(path: Path) -> str:
    """Return one digest over the lines of `log.jsonl`, times left out."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    kept = [{key: value for key, value in line.items() if key not in TIMES} for line in lines]
    return digest(json.dumps(kept, sort_keys=True).encode())


def fingerprint(clone: Path, system: str) -> dict[str, str]:
    """Train `system` with the code of `clone` and return its digests."""
    is_quickstart = system == "quickstart"
    steps = 500 if is_quickstart else 100
    config = f"configs/{system}.yaml" if is_quickstart else f"configs/systems/{system}.yaml"
    folder = clone / "runs" / f"fingerprint-{system}"
    settings = {"name": folder.name, "seed": 1, "training.threads": 1, "training.max_steps": steps, **EVERY}
    if not (folder / "finished.json").exists():
        options = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
        run(clone, ["train", "--config", config, *options])
    found = {"weights": weights(folder / "checkpoints" / f"step-{steps}"), "log": log_figures(folder / "log.jsonl")}
    lines = (clone / "data/quickstart/test.en").read_text(encoding="utf-8").split("\n")[:LINES]
    for search, options in SEARCHES.items():
        engine = ["--engine", "torch"] if (clone / "nmt/engine.py").exists() else []  # older versions have torch only
        command = ["translate", "--model", str(folder), "--quiet", "--device", "cpu", *engine, *options]
        found[search] = digest(run(clone, command, "\n".join(lines) + "\n").encode())
    return found


def compare(before: dict[str, dict[str, str]], after: dict[str, dict[str, str]]) -> int:
    """Print what differs between two fingerprints and return the number of differences."""
    different = [
        f"{name} {what}: {value} before, {after.get(name, {}).get(what)} after"
        for name, found in before.items()
        for what, value in found.items()
        if after.get(name, {}).get(what) != value
    ]
    total = sum(len(found) for found in before.values())
    print("\n".join([*different, f"{total - len(different)} of {total} digests are the same"]))
    return len(different)


def main() -> None:
    """Print the fingerprint of a clone as JSON, or compare two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clone", type=Path, default=Path(__file__).resolve().parents[2], help="clone to run")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("BEFORE", "AFTER"), help="two files of digests")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at once, of one thread each")
    given = parser.parse_args()
    if given.compare:
        before, after = (json.loads(path.read_text(encoding="utf-8")) for path in given.compare)
        sys.exit(compare(before, after) > 0)
    clone = given.clone.resolve()
    names = ["quickstart", *SYSTEMS]
    with ThreadPoolExecutor(given.jobs) as pool:
        found = dict(zip(names, pool.map(lambda name: fingerprint(clone, name), names), strict=True))
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
