"""Make corpora and learning curves with known illnesses, and count what `nmt doctor` finds, misses and falsely reports.

    python -m scripts.verification.doctor data/quickstart,en,de
    python -m scripts.verification.doctor multi30k,en,de,train,val,test_2016_flickr lohelp,en,zh

    python -m scripts.verification.doctor --run runs/quickstart

Each corpus is FOLDER,SOURCE,TARGET[,TRAIN,VALID,TEST]: files FOLDER/train.en and so on, plain or .gz. The exit status
is 1 if there is a miss or a false alarm.
"""

import argparse
import html
import itertools
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from nmt.config import load
from nmt.data.lines import read_lines
from nmt.diagnosis.data import diagnose_data
from nmt.training.config_check import check_config
from scripts.verification.ill_runs import HEALTHY, examine_runs

Pair = tuple[str, str]
SETS = ("train", "valid", "test")
_FRENCH = """\
le vieux professeur,la jeune voisine,mon frère aîné,notre médecin,une étudiante,le garçon,cette femme,leur oncle
regarde souvent,cherche toujours,a enfin trouvé,voudrait acheter,ne veut pas vendre,a oublié,répare lentement
la voiture rouge,les clés de la maison,un grand livre,des fleurs blanches,son chapeau,l'ancienne photographie
dans le jardin,près de la gare,pendant l'été,avec ses amis,devant l'église,chez lui,au bord de la rivière"""
"""Parts of French sentences."""


@dataclass(frozen=True)
class Corpus:
    """A corpus to be made ill."""

    languages: tuple[str, str]
    train: list[Pair]
    valid: list[Pair]
    test: list[Pair]
    settings: dict[str, object] = field(default_factory=dict)
    extra: bytes = b""
    """Bytes added to the end of the target file of the training text."""


def read_corpus(text: str, pairs: int) -> Corpus:
    """Read FOLDER,SOURCE,TARGET[,TRAIN,VALID,TEST]: at most `pairs` training pairs, and a fifteenth for the others."""
    folder, source, target, *names = text.split(",")
    sets = []
    for name, most in zip(names or SETS, (pairs, pairs // 15, pairs // 15), strict=True):
        files = [
            next(p for p in (Path(folder, f"{name}.{s}"), Path(folder, f"{name}.{s}.gz")) if p.exists())
            for s in (source, target)
        ]
        sets.append(list(itertools.islice(zip(*map(read_lines, files), strict=True), most)))
    return Corpus((source, target), sets[0], sets[1], sets[2], {"vocab_size": 1000 if target != "zh" else 2500})


def french(count: int) -> list[str]:
    """Return different French sentences."""
    parts = [choices.split(",") for choices in _FRENCH.splitlines()]
    made = [f"{' '.join(words).capitalize()}." for words in itertools.product(*parts)]
    random.Random(1).shuffle(made)
    return made[:count]


def some(count: int, share: float, seed: int = 1) -> list[int]:
    """Return a share of the numbers up to `count`."""
    return sorted(random.Random(seed).sample(range(count), round(share * count)))


def sources(pairs: list[Pair]) -> list[str]:
    """Return the source lines."""
    return [source for source, _ in pairs]


def targets(pairs: list[Pair]) -> list[str]:
    """Return the target lines."""
    return [target for _, target in pairs]


def with_targets(corpus: Corpus, lines: list[str]) -> Corpus:
    """Return the corpus with other target lines in the training text."""
    return replace(corpus, train=list(zip(sources(corpus.train), lines, strict=False)))


def changed(pairs: list[Pair], share: float, change: Callable[[str], str], side: int = 1) -> list[Pair]:
    """Return pairs with a side changed in a share of them."""
    chosen = set(some(len(pairs), share))
    return [
        (pair[0] if side else change(pair[0]), change(pair[1]) if side else pair[1]) if i in chosen else pair
        for i, pair in enumerate(pairs)
    ]


def replaced(corpus: Corpus, share: float, lines: list[str], side: int = 1) -> Corpus:
    """Return the corpus with other lines on one side of a share of the training pairs."""
    rest = itertools.cycle(lines)
    return replace(corpus, train=changed(corpus.train, share, lambda _: next(rest), side))


def mixed(corpus: Corpus, share: float, start: float = 0.0, end: float = 1.0) -> Corpus:
    """Return the corpus with the targets of a share of the pairs shuffled among each other, in a part of it."""
    count = len(corpus.train)
    chosen = [i for i in some(count, share) if start * count <= i < end * count]
    order = chosen[:]
    random.Random(2).shuffle(order)
    lines = targets(corpus.train)
    old = lines[:]
    for i, j in zip(chosen, order, strict=True):
        lines[i] = old[j]
    return with_targets(corpus, lines)


def mojibake(line: str) -> str:
    """Return UTF-8 read as Latin-1."""
    return line.encode().decode("latin-1")


def tokenized(line: str) -> str:
    """Return a line with spaces around punctuation."""
    return " ".join(re.findall(r"\w+|[^\w\s]", line))


def repeated(corpus: Corpus, share: float, side: int) -> Corpus:
    """Return the corpus with the same line on one side of a share of the pairs."""
    return replaced(corpus, share, [corpus.train[0][side]], side)


def of_all_sets(corpus: Corpus, change: Callable[[Pair], Pair]) -> Corpus:
    """Return the corpus with every pair changed."""
    train, valid, test = ([change(pair) for pair in pairs] for pairs in (corpus.train, corpus.valid, corpus.test))
    return replace(corpus, train=train, valid=valid, test=test)


def leaked(corpus: Corpus, pairs: list[Pair], share: float, change: Callable[[str], str] = str) -> list[Pair]:
    """Return pairs of which a share comes from the training text."""
    taken = iter(random.Random(5).sample(corpus.train, len(pairs)))
    chosen = set(some(len(pairs), share))
    made = [next(taken) if i in chosen else pair for i, pair in enumerate(pairs)]
    return [(change(source), change(target)) for source, target in made]


def cased(line: str) -> str:
    """Return a line with other case and punctuation."""
    return line.upper().rstrip(".!?。") + " !"


def healthy_cases(c: Corpus) -> Iterator[tuple[str, str, Corpus]]:
    """Yield name, HEALTHY and corpus of variants without an illness."""
    lower = of_all_sets(c, lambda pair: (pair[0].lower(), pair[1].lower()))
    split = of_all_sets(c, lambda pair: (tokenized(pair[0]), tokenized(pair[1])))
    turned = replace(of_all_sets(c, lambda pair: (pair[1], pair[0])), languages=(c.languages[1], c.languages[0]))
    yield "as it is", HEALTHY, c
    yield "first half", HEALTHY, replace(c, train=c.train[: len(c.train) // 2])
    yield "second half", HEALTHY, replace(c, train=c.train[len(c.train) // 2 :])
    yield "other direction", HEALTHY, turned
    yield "lower-cased", HEALTHY, lower
    yield "tokenised", HEALTHY, split
    yield "1 % wrong pairs", HEALTHY, mixed(c, 0.01)
    yield "shuffled pairs", HEALTHY, replace(c, train=random.Random(1).sample(c.train, len(c.train)))
    yield "sorted by length", HEALTHY, replace(c, train=sorted(c.train, key=lambda pair: len(pair[0])))


def alignment_cases(c: Corpus) -> Iterator[tuple[str, str, Corpus]]:
    """Yield misaligned corpora."""
    lines, count, name = targets(c.train), len(c.train), "misaligned pairs"
    yield "targets 1 line early", name, with_targets(c, lines[1:])
    yield "targets 1 line late", name, with_targets(c, [lines[-1], *lines[:-1]])
    yield "targets 7 lines late", name, with_targets(c, [*lines[-7:], *lines[:-7]])
    yield "shift from the middle", name, with_targets(c, [*lines[: count // 2], *lines[count // 2 + 1 :]])
    yield "shift in the last fifth", name, with_targets(c, [*lines[: count * 4 // 5], "…", *lines[count * 4 // 5 : -1]])
    yield "a line is missing", name, replace(with_targets(c, lines), settings={**c.settings, "missing": count // 3})
    yield "shuffled targets", name, mixed(c, 1.0)
    yield "20 % wrong pairs", name, mixed(c, 0.2)
    yield "10 % wrong pairs", name, mixed(c, 0.1)
    yield "a quarter shuffled", name, mixed(c, 1.0, 0.25, 0.5)
    yield "sorted targets", name, with_targets(c, sorted(lines))
    yield "reversed targets", name, with_targets(c, lines[::-1])
    yield (
        "validation shuffled",
        name,
        replace(c, valid=list(zip(sources(c.valid), targets(c.valid)[::-1], strict=True))),
    )


def language_cases(c: Corpus) -> Iterator[tuple[str, str, Corpus]]:
    """Yield corpora with text in a wrong language."""
    others = french(2300)
    yield "sides swapped", "sides swapped", replace(c, languages=(c.languages[1], c.languages[0]))
    yield "target in another language", "wrong language", replace(c, languages=(c.languages[0], "fi"))
    yield "source in another language", "wrong language", replace(c, languages=("cs", c.languages[1]))
    yield "20 % French targets", "wrong language", replaced(c, 0.2, others)
    yield "6 % French targets", "wrong language", replaced(c, 0.06, others)
    yield "10 % French sources", "wrong language", replaced(c, 0.1, others, side=0)
    yield (
        "10 % targets in the source language",
        "wrong language",
        replaced(c, 0.1, random.Random(4).sample(sources(c.train), len(c.train))),
    )
    yield "source on both sides", "same language on both sides", with_targets(c, sources(c.train))
    yield "source language on both sides", "same language on both sides", with_targets(c, sources(c.train)[::-1])
    yield (
        "30 % copies",
        "untranslated pairs",
        replace(c, train=[(s, s) if i % 3 == 0 else (s, t) for i, (s, t) in enumerate(c.train)]),
    )


def overlap_cases(c: Corpus) -> Iterator[tuple[str, str, Corpus]]:
    """Yield corpora whose sets overlap or repeat the same lines."""
    test, valid = "test set in the training data", "validation set in the training data"
    yield "test from the training text", test, replace(c, test=leaked(c, c.test, 1.0))
    yield "10 % of the test set", test, replace(c, test=leaked(c, c.test, 0.1))
    yield (
        "30 %, other case and punctuation",
        test,
        replace(c, test=leaked(c, c.test, 0.3, cased), valid=[(cased(s), cased(t)) for s, t in c.valid]),
    )
    yield "validation from the training text", valid, replace(c, valid=leaked(c, c.valid, 1.0))
    yield "15 % of the validation set", valid, replace(c, valid=leaked(c, c.valid, 0.15))
    yield "one target in 20 %", "boilerplate", repeated(c, 0.2, 1)
    yield "one target in 5 %", "boilerplate", repeated(c, 0.05, 1)
    yield "one source in 10 %", "boilerplate", repeated(c, 0.1, 0)
    yield "every pair three times", "boilerplate", replace(c, train=c.train[: len(c.train) // 3] * 3)


def text_cases(c: Corpus) -> Iterator[tuple[str, str, Corpus]]:
    """Yield corpora with damaged characters, markup, and sets that are unlike each other."""
    yield (
        "mojibake targets",
        "wrong encoding",
        replace(c, train=changed(c.train, 1.0, lambda line: mojibake(line + " – é"))),
    )
    yield (
        "mojibake in 3 %",
        "wrong encoding",
        replace(c, train=changed(c.train, 0.03, lambda line: mojibake("Ä " + line))),
    )
    yield (
        "lost characters in 10 %",
        "wrong encoding",
        replace(c, train=changed(c.train, 0.1, lambda line: line + " M?nchen")),
    )
    yield "bytes of Latin-1", "wrong encoding", replace(c, extra="Größe\n".encode("latin-1") * (len(c.train) // 50))
    yield "tags in 10 %", "markup", replace(c, train=changed(c.train, 0.1, lambda line: f"<p class='a'>{line}</p>"))
    yield (
        "entities in 20 %",
        "markup",
        replace(c, train=changed(c.train, 0.2, lambda line: html.escape(f"“{line}” & é").replace("é", "&eacute;"))),
    )
    yield "tokenised test", "different tokenisation", replace(c, test=[(tokenized(s), t) for s, t in c.test])
    yield "lower-cased test", "different case", replace(c, test=[(s.lower(), t) for s, t in c.test])
    yield "lower-cased training text", "different case", replace(c, train=[(s.lower(), t) for s, t in c.train])
    yield "test with other characters", "unseen characters", replace(c, test=[(f"ਸਤਿ {s} ੴ", t) for s, t in c.test])
    yield (
        "test of other words",
        "unseen words",
        replace(c, test=[(re.sub(r"\w{4,}", lambda word: word[0][::-1].lower(), s), t) for s, t in c.test]),
    )


def size_cases(c: Corpus) -> Iterator[tuple[str, str, Corpus]]:
    """Yield corpora that are small, or small for their vocabulary."""
    for size in (8000, 30_000):
        yield (
            f"{size:,} subwords",
            "vocabulary too large",
            replace(c, settings={"vocab_size": size}),
        )
    yield "300 pairs", "too few pairs", replace(c, train=c.train[:300], settings={"vocab_size": 500})
    yield "10 validation pairs", "too few pairs", replace(c, valid=c.valid[:10])
    yield "15 % empty targets", "pairs left out", replace(c, train=changed(c.train, 0.15, lambda _: ""))


CASES = (healthy_cases, alignment_cases, language_cases, overlap_cases, text_cases, size_cases)


def write(corpus: Corpus, folder: Path) -> Path:
    """Write the files and the configuration of a corpus; return the configuration."""
    settings = dict(corpus.settings)
    missing = settings.pop("missing", None)
    names = {}
    for name in SETS:
        pairs: list[Pair] = getattr(corpus, name)
        lines = [sources(pairs), targets(pairs)]
        extra = corpus.extra if name == "train" else b""
        if name == "train" and isinstance(missing, int):
            del lines[1][missing]
        names[name] = [folder / f"{name}.source", folder / f"{name}.target"]
        names[name][0].write_bytes("".join(f"{line}\n" for line in lines[0]).encode() + b"x\n" * extra.count(b"\n"))
        names[name][1].write_bytes("".join(f"{line}\n" for line in lines[1]).encode() + extra)
    files = {name: f"{{source: {paths[0]}, target: {paths[1]}}}" for name, paths in names.items()}
    config = folder / "config.yaml"
    config.write_text(
        f"name: made\ndata:\n  source_language: {corpus.languages[0]}\n  target_language: {corpus.languages[1]}\n"
        f"  train: {files['train']}\n  valid: {files['valid']}\n  test: {{test: {files['test']}}}\n"
        f"  prepared: {folder / 'prepared'}\nsubword: {{vocab_size: {settings['vocab_size']}}}\n",
        encoding="utf-8",
    )  # fmt: skip
    return config


def examine_corpus(corpus: Corpus, only: str) -> Iterator[tuple[str, str, list[str], float]]:
    """Yield title, expected finding, findings and seconds of ill variants of a corpus."""
    for title, expected, made in itertools.chain.from_iterable(cases(corpus) for cases in CASES):
        if only not in title:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = write(made, Path(folder))
            began = time.process_time()
            config = load(path, ())
            found = [each.name for each in diagnose_data(config, "case", check_config(config, path)).findings]
            yield title, expected, found, time.process_time() - began


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="*", metavar="FOLDER,SOURCE,TARGET[,TRAIN,VALID,TEST]")
    parser.add_argument(
        "--run", type=Path, help="a finished run of configs/quickstart.yaml, of which ill copies are made"
    )
    parser.add_argument("--pairs", type=int, default=2100, help="training pairs (default %(default)s)")
    parser.add_argument("--only", default="", help="only cases of corpora whose name contains this")
    arguments = parser.parse_args()
    counts = {"hit": 0, "miss": 0, "healthy": 0, "false alarm": 0}
    sources = [
        (
            f"{Path(text.split(',')[0]).name} {'-'.join(text.split(',')[1:3])}",
            examine_corpus(read_corpus(text, arguments.pairs), arguments.only),
        )
        for text in arguments.corpora
    ]
    if arguments.run:
        sources.append((f"run {arguments.run.name}", examine_runs(arguments.run)))
    print("| text | case | expected | result | seconds | findings |\n|---|---|---|---|---|---|")
    for name, results in sources:
        for title, expected, found, seconds in results:
            result = ("false alarm" if found else "healthy") if not expected else "hit" if expected in found else "miss"
            counts[result] += 1
            row = (name, title, expected or "–", result, f"{seconds:.1f}", ", ".join(dict.fromkeys(found)) or "–")
            print("| " + " | ".join(row) + " |", flush=True)
    print("\n" + ", ".join(f"{name}: {count}" for name, count in counts.items()))
    sys.exit(1 if counts["miss"] or counts["false alarm"] else 0)


if __name__ == "__main__":
    main()
