"""Lines unlike the training lines: warnings; of long ones also splitting, and their exclusion from the loss."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from text_files import write_lines
from tiny_run import SOURCE, TARGET, make_run

from nmt.cli import evaluate, logprob, translate
from nmt.data.training_words import hash_word
from nmt.errors import NmtError

LONG = "a dog runs. the cat sleeps here. a man reads."


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("long"))
    (folder / "lengths.json").write_text('{"usual_tokens": 30}', encoding="utf-8")
    return folder


def call(command, run: Path, *arguments: object, text: str = "") -> Result:  # type: ignore[no-untyped-def]
    words = ["--model", run, "--device", "cpu", "--precision", "fp32", *arguments]
    return CliRunner().invoke(command, [str(word) for word in words], input=text.encode(), catch_exceptions=False)


def changed(made: Path, folder: Path, **sections: dict[str, object]) -> Path:
    """Return a copy of the run with other settings."""
    run = folder / "tiny"
    shutil.copytree(made, run)
    values = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8"))
    for section, settings in sections.items():
        values[section] |= settings
    (run / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    return run


def warnings(result: Result) -> list[str]:
    return [line for line in result.stderr.split("\n") if "warning" in line]


def test_translate_warns_about_long_lines_once(made: Path, tmp_path: Path) -> None:
    text = "".join(f"{line}\n" for line in [*SOURCE, LONG, "", LONG])
    (tmp_path / "in").write_text(text, encoding="utf-8")
    [warning] = warnings(call(translate.command, made, "-i", tmp_path / "in", "--window", 2))
    assert "in: 2 lines (the first is line 5) are longer than 99.9 % of the training lines (30 tokens)" in warning
    assert "--split-sentences" in warning and "--max-source-tokens 30" in warning
    assert "--split-sentences" in CliRunner().invoke(translate.command, ["--help"]).output
    assert warnings(call(translate.command, made, "-i", tmp_path / "in", "--quiet")) == []
    assert warnings(call(translate.command, made, text="".join(f"{line}\n" for line in SOURCE))) == []
    (made / "lengths.json").rename(tmp_path / "lengths.json")
    try:
        assert warnings(call(translate.command, made, "-i", tmp_path / "in")) == []
    finally:
        (tmp_path / "lengths.json").rename(made / "lengths.json")


def test_commands_warn_about_words_that_training_has_not_seen(made: Path, tmp_path: Path) -> None:
    hashes = [hash_word(word) for line in SOURCE for word in line.split()]
    values = {"pairs": 4, "pairs_read": 4, "unseen_share": 0.0, "hashes": hashes}
    (made / "words.json").write_text(json.dumps(values), encoding="utf-8")
    expected = "3 of 10 words are not in the training text (the first in line 2: cow, very, zebra)"
    try:
        for name, lines in (("s", [SOURCE[0], "a cow sleeps", "a very dog zebra"]), ("t", TARGET[:3])):
            write_lines(tmp_path / name, lines)
        files = ["--source", tmp_path / "s", "-r", tmp_path / "t", "-o", tmp_path / "kept", "--json"]
        for result in (call(translate.command, made, "-i", tmp_path / "s"), call(evaluate.command, made, *files)):
            [warning] = warnings(result)
            assert f"s: {expected}" in warning and "nmt tune" in warning
        [warning] = warnings(call(translate.command, made, "-i", tmp_path / "s", "--output-folder", tmp_path / "out"))
        assert "s: 3 of 10 words are not in the training text (the first in line 2)" in warning
        assert warnings(call(translate.command, made, text="".join(f"{line}\n" for line in SOURCE))) == []
    finally:
        (made / "words.json").unlink()


def test_evaluate_warns_about_long_lines_once(made: Path, tmp_path: Path) -> None:
    for name, lines in (("s", [*SOURCE, LONG]), ("t", [*TARGET, LONG])):
        write_lines(tmp_path / name, lines)
    files = ["--source", tmp_path / "s", "-r", tmp_path / "t", "-o", tmp_path / "kept", "--json"]
    [warning] = warnings(call(evaluate.command, made, *files))
    assert "s: line 5 is longer than 99.9 % of the training lines" in warning


def test_the_sentences_of_a_long_line_are_translated_separately(made: Path) -> None:
    sentences = ["a dog runs.", "the cat sleeps here.", "a man reads."]
    alone = call(translate.command, made, text="".join(f"{line}\n" for line in sentences)).stdout.split("\n")[:-1]
    split = call(translate.command, made, "--max-source-tokens", 21, text=f"{' '.join(sentences)}\n").stdout
    assert split == " ".join(line for line in alone if line) + "\n"
    assert split != call(translate.command, made, text=f"{' '.join(sentences)}\n").stdout


@pytest.mark.parametrize("command", [translate.command, evaluate.command])
def test_more_tokens_than_positions_of_location_attention_are_rejected(made: Path, tmp_path: Path, command) -> None:  # type: ignore[no-untyped-def]
    location = {"attention": {"score": "location", "positions": 101}}
    run = changed(made, tmp_path, model=location, decoding={"max_source_tokens": 100}, training={"max_tokens": 100})
    message = r"--max-source-tokens 101: the location attention of tiny has 101 positions .*, enough for 100"
    with pytest.raises(NmtError, match=message):
        call(command, run, "--max-source-tokens", 101, text="a dog\n")


def test_pairs_with_a_split_line_are_not_in_the_loss(made: Path, tmp_path: Path) -> None:
    lines = {"s": [SOURCE[0], LONG, SOURCE[1]], "t": [TARGET[0], LONG, TARGET[1]], "s2": SOURCE[:2], "t2": TARGET[:2]}
    for name, some in lines.items():
        write_lines(tmp_path / name, some)

    def evaluated(suffix: str) -> tuple[dict[str, object], list[str]]:
        files = ["--source", tmp_path / f"s{suffix}", "-r", tmp_path / f"t{suffix}", "-o", tmp_path / "kept"]
        result = call(evaluate.command, made, *files, "--max-source-tokens", 25, "--json")
        return json.loads(result.stdout)[0], warnings(result)

    (mixed, mixed_warnings), (short, short_warnings) = evaluated(""), evaluated("2")
    assert mixed["loss"] == pytest.approx(short["loss"]) and mixed["target_tokens"] == short["target_tokens"]
    assert (mixed["left_out_of_loss"], short["left_out_of_loss"], short_warnings) == (1, 0, [])
    assert "s: 1 of 3 lines (the first is line 2) have more than 25 source tokens" in mixed_warnings[0]
    assert "the loss is without them" in mixed_warnings[0]
    kept = json.loads(Path(str(mixed["hypotheses"])).with_suffix(".json").read_text(encoding="utf-8"))
    assert kept["left_out_of_loss"] == 1


def test_there_is_no_loss_if_every_line_is_split(made: Path, tmp_path: Path) -> None:
    files = ["--source", tmp_path / "s", "-r", tmp_path / "s", "-o", tmp_path / "kept", "--max-source-tokens", 5]
    (tmp_path / "s").write_text(f"{LONG}\n", encoding="utf-8")
    result = call(evaluate.command, made, *files, "--json")
    [found] = json.loads(result.stdout)
    assert found["loss"] is None and found["perplexity"] is None and found["scores"]
    assert "there is no loss, as no line is left" in warnings(result)[0]
    table = call(evaluate.command, made, *files)
    assert " none " in table.stdout and table.exit_code == 0


@pytest.mark.parametrize("score", ["additive", "location"])
def test_logprob_scores_long_pairs_whole_and_warns(made: Path, tmp_path: Path, score: str) -> None:
    files = ["-s", tmp_path / "s", "-t", tmp_path / "t"]
    for name in "st":
        write_lines(tmp_path / name, [SOURCE[0], LONG, LONG])
    shorter = {"max_source_tokens": 20}
    run = location_run(tmp_path) if score == "location" else changed(made, tmp_path, decoding=shorter)
    result = call(logprob.command, run, *files)
    [warning] = warnings(result)
    assert "2 pairs (the first is pair 2) have more than 20 source tokens: they are scored whole" in warning
    values = list(map(float, result.stdout.split("\n")[:-1]))
    assert len(values) == 3 and all(-1000 < value < 0 for value in values)
    assert warnings(call(logprob.command, run, *files, "--quiet")) == []


def location_run(folder: Path) -> Path:
    """Return a run whose attention has 25 positions."""
    return make_run(
        folder / "location",
        model={"attention": {"score": "location", "positions": 25}},
        decoding={"max_source_tokens": 20},
        training={"max_tokens": 20},
    )


def test_a_line_longer_than_the_positions_is_translated_in_parts(tmp_path: Path) -> None:
    run = location_run(tmp_path)
    assert len(call(translate.command, run, text=f"{LONG * 3}\n").stdout) > 1
    assert len(call(translate.command, run, "--max-source-tokens", 24, text=f"{LONG * 3}\n").stdout) > 1
