"""What `nmt init` found and chose, in lines for the user."""

from collections.abc import Mapping, Sized

from nmt.corpora.facts import CorpusFacts, SideFacts
from nmt.corpora.pairs import PairReader
from nmt.corpora.settings import Settings
from nmt.corpora.split import LEFT_OUT, Split
from nmt.data.language_names import language_name

_TRIAL_PAIRS = 1000
_NOTABLE_SHARE = 0.02


def describe_reader(reader: PairReader) -> list[str]:
    """Return the format of a corpus and which columns are used."""
    source, target = reader.layout.source, reader.layout.target
    if reader.table is None:
        found = [f"{file.path}: {file}" for file in reader.files]
    else:
        header = ", with a header" if reader.layout.has_header and not reader.table.keys else ""
        found = [f"{reader.name}: {reader.files[0]}, {reader.table}{header}"]
    names = [language_name(code) for code in reader.languages]
    if reader.table is None:
        files = [reader.files[column.number - 1].path for column in (source, target)]
        found.append(f"source: {files[0]}, {names[0]}; target: {files[1]}, {names[1]}")
    else:
        unused = "; ".join(f"{column.number}: {column.kind}" for column in reader.layout.unused)
        found.append(
            f"source: column {source.number}, {names[0]}; target: column {target.number}, {names[1]}"
            + (f" (not used: column {unused})" if unused else "")
        )
    for file in reader.files:
        if file.is_guessed:
            found.append(f"{file.path}: not UTF-8; read as Windows-1252, which contains Latin-1 (--encoding overrides)")
    if reader.marks.mark:
        found.append(f"the text is split into subwords ({reader.marks.mark}); the words are joined again")
    return found


def describe_facts(facts: CorpusFacts) -> list[str]:
    """Return the facts about a corpus, in a few lines."""
    counts = {
        "with an empty side": facts.empty,
        "not decodable": facts.invalid,
        "duplicates": facts.duplicates,
        "near-duplicates": facts.near_duplicates,
        "with equal sides": facts.identical,
        "of unlikely length ratio": facts.ratio_outliers,
        "with HTML entities": facts.entities,
    }
    named = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    lines = [f"{facts.pairs:,} pairs" + (f": {named}" if named else "")]
    sides = [(language_name(side.language), side) for side in (facts.source, facts.target)]
    lines.append(
        "characters per sentence (median, 99 %): "
        + "; ".join(f"{name} {side.median:,}, {side.longest:,}" for name, side in sides)
    )
    for name, side in sides:
        lines += [f"{name}: {note}" for note in _side_notes(side)]
    return lines


def _side_notes(side: SideFacts) -> list[str]:
    notes = []
    if side.is_lowercase:
        notes.append("lower-cased text")
    if side.is_tokenized:
        notes.append("tokenised text (spaces before punctuation)")
    if side.other_language > _NOTABLE_SHARE:
        notes.append(f"about {side.other_language:.0%} of the longer sentences are in another language")
    return notes


def describe_sets(counts: Mapping[str, int], settings: Settings, vocab_size: int) -> list[str]:
    """Return the sizes of the sets and the chosen settings."""
    sets = [f"{counts['train']:,} pairs for training", f"{counts['valid']:,} for validation"]
    sets += [f"{counts['test']:,} for testing"] if "test" in counts else []
    row = settings.row
    return [
        f"sets: {', '.join(sets)}; no sentence is in two sets",
        f"settings: {vocab_size:,} subwords, encoder width {row.model['encoder']['size']}, "
        f"{settings.max_steps:,} steps ({row.epochs:g} epochs)",
    ]


def describe_split(counts: Mapping[str, int], split: Split, given: Mapping[str, Sized]) -> list[str]:
    """Return warnings about the sets: small ones, and pairs that were left out."""
    found: list[str] = []
    if counts["train"] < _TRIAL_PAIRS:
        found.append(
            f"{counts['train']:,} training pairs are enough for a trial only; a useful translator needs some thousands"
        )
    if split.related:
        share = split.related / max(1, len(split.parts))
        what = "the given sets" if given and split.count(LEFT_OUT) else "the validation and test sets"
        found.append(
            f"{split.related:,} pairs ({share:.1%}) are left out of the training text, because they share a sentence "
            f"with {what}"
        )
    return found
