"""`nmt evaluate` on a whole run folder."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from tiny_run import SOURCE, TARGET, make_run

from nmt.cli.evaluate import command
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.evaluation.metrics import corpus_scores
from nmt.storage import checksums


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("evaluate"))


def invoke(run: Path, *arguments: str) -> str:
    precision = [] if "--precision" in arguments else ["--precision", "fp32"]
    options = ["--model", str(run), "--device", "cpu", *precision, *arguments]
    return CliRunner().invoke(command, options, catch_exceptions=False, standalone_mode=False).stdout


def evaluated(run: Path, *arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(invoke(run, "--json", *arguments))
    return found


def lines(path: object) -> list[str]:
    text = Path(str(path)).read_bytes().decode()
    assert text.endswith("\n")
    return text[:-1].split("\n")


def test_the_scores_are_those_of_the_saved_hypotheses(run: Path) -> None:
    (result,) = evaluated(run)
    saved = Path(str(result["hypotheses"]))
    assert saved.parent == run / "evaluations"
    assert saved.name == "flickr-step-1-beam2.txt"
    hypotheses = lines(saved)
    assert len(hypotheses) == len(SOURCE)
    expected = [
        {"name": s.name, "score": s.value, "signature": s.signature} for s in corpus_scores(hypotheses, [TARGET])
    ]
    assert result["scores"] == expected
    stored = json.loads(saved.with_suffix(".json").read_text(encoding="utf-8"))
    assert sum(count for _, count, _ in stored.pop("breakdown")["by_length"]) == len(SOURCE)
    assert stored | {"hypotheses": str(saved)} == result
    assert result["perplexity"] == pytest.approx(math.exp(float(str(result["loss"]))))
    assert result["sentences"] == len(SOURCE)
    samples = result["samples"]
    assert isinstance(samples, list)
    assert samples[0] == [SOURCE[0], hypotheses[0], TARGET[0]]


def test_the_report_of_a_finished_run_gets_the_results(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "copy")
    copy = tmp_path / "copy"
    for file, text in (("log.jsonl", '{"event": "start", "step": 0}\n'), ("finished.json", "{}"), ("report.html", "")):
        (copy / file).write_text(text, encoding="utf-8")
    invoke(copy, "--output", str(tmp_path / "elsewhere"))
    assert (copy / "report.html").read_text(encoding="utf-8") == ""
    invoke(copy)
    assert "flickr-step-1-beam2" in (copy / "report.html").read_text(encoding="utf-8")


def test_a_second_evaluation_differs_only_in_its_times(run: Path) -> None:
    def without_times(result: dict[str, object]) -> dict[str, object]:
        return {key: value for key, value in result.items() if "second" not in key}

    assert without_times(evaluated(run)[0]) == without_times(evaluated(run)[0])


def test_greedy_equals_beam_1_and_the_loss_does_not_depend_on_the_search(run: Path) -> None:
    (greedy,), (beam,), (wide,) = evaluated(run, "--greedy"), evaluated(run, "-b", "1"), evaluated(run, "-b", "4")
    assert lines(greedy["hypotheses"]) == lines(beam["hypotheses"])
    assert greedy["scores"] == beam["scores"]
    assert greedy["loss"] == beam["loss"] == wide["loss"]


def test_results_with_other_options_or_files_are_not_overwritten(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "flickr"
    other.write_text("a cat\n", encoding="utf-8")
    options = ["--output", str(tmp_path / "saved")]
    from_file = ["--source", str(other), "--reference", str(other)]
    asked = [[], ["--alpha", "0.5"], ["--greedy"], ["--checkpoint", "last"], ["--min-length", "3"], from_file]
    asked += [["--shortlist", "1"], ["--precision", "bf16"]]
    files = {str(evaluated(run, *options, *extra)[0]["hypotheses"]) for extra in asked}
    assert len(files) == len(asked)
    assert {path.suffix for path in (tmp_path / "saved").iterdir()} == {".txt", ".json"}


@pytest.mark.parametrize("with_checksums", [False, True])
def test_results_of_other_weights_are_not_overwritten(run: Path, tmp_path: Path, with_checksums: bool) -> None:
    other = tmp_path / "tiny"
    shutil.copytree(run, other)
    best = other / "checkpoints" / "step-1"
    shutil.copy(other / "checkpoints" / "step-2" / "model.safetensors", best)
    if with_checksums:
        checksums.write(best)
    saved = ["--output", str(tmp_path / "saved")]
    (first,), (second,), (again,) = evaluated(run, *saved), evaluated(other, *saved), evaluated(other, *saved)
    assert first["models"] == second["models"] and first["hypotheses"] != second["hypotheses"] == again["hypotheses"]
    assert second["weights"] == [checksums.digest(best / "model.safetensors")] != first["weights"]


def test_a_shortlist_of_one_token_allows_one_character(run: Path) -> None:
    (whole,), (result,) = evaluated(run), evaluated(run, "--forbid-unknown", "--shortlist", "1")
    assert len(set("".join(lines(result["hypotheses"])))) <= 1 < len(set("".join(lines(whole["hypotheses"]))))
    assert result["loss"] == whole["loss"], "the probability of a reference is over the whole vocabulary"


def test_several_references_and_all_splits(run: Path) -> None:
    source, target = str(run.parents[1] / "x.en"), str(run.parents[1] / "x.de")
    (result,) = evaluated(run, "--source", source, "-r", target, "-r", target, "--tokenize", "none")
    assert "nrefs:2" in str(result["scores"])
    assert "tok:none" in str(result["scores"])
    valid, test = evaluated(run, "--split", "all")
    assert (valid["split"], test["split"]) == ("valid", "flickr")
    assert valid["loss"] == test["loss"], "the same files"


def test_the_table_has_a_row_per_split(run: Path) -> None:
    table = invoke(run, "--split", "all")
    head, first, second = table.split("\n")[:3]
    assert head.split()[:7] == ["split", "sentences", "loss", "perplexity", "BLEU", "chrF2", "TER"]
    assert [first.split()[0], second.split()[0]] == ["valid", "flickr"]
    assert "version:" in table
    assert "evaluations/valid-step-1-beam2.txt" in table


def test_mistakes_are_named(run: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.write_text("a\n", encoding="utf-8")
    with pytest.raises(NmtError, match=r"no split 'test'.*there are: valid, flickr"):
        invoke(run, "--split", "test")
    with pytest.raises(NmtError, match=r"x\.en has 4 lines but .*one has 1"):
        invoke(run, "--source", str(run.parents[1] / "x.en"), "--reference", str(one))
    with pytest.raises(NmtError, match="unknown tokeniser"):
        invoke(run, "--tokenize", "12a")
    for wrong in (["--source", str(one)], ["--greedy", "-b", "3"], ["--split", "valid", "-s", "x", "-r", "x"]):
        with pytest.raises(click.UsageError):
            invoke(run, *wrong)


def test_a_folder_that_cannot_be_written_is_reported_before_the_translation(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(Translator, "translate", lambda *_, **more: pytest.fail("a line was translated"))
    with pytest.raises(NmtError, match=r"file.*choose another folder with --output"):
        evaluated(run, "--output", str(tmp_path / "file"))


def test_scores_are_printed_even_if_they_cannot_be_saved(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise NmtError("evaluations: cannot be written: No space left on device")

    monkeypatch.setattr("nmt.evaluation.test_sets.write_atomically", fail)
    arguments = ["--model", str(run), "--device", "cpu", "--precision", "fp32"]
    done = CliRunner().invoke(command, arguments, standalone_mode=False)
    assert isinstance(done.exception, NmtError) and "BLEU" in done.stdout and "saved in" not in done.stdout


def test_a_split_needs_a_tag_if_there_are_several_target_languages(run: Path, tmp_path: Path) -> None:
    """All splits are checked before the first is translated."""
    both = tmp_path / "both"
    shutil.copytree(run, both, ignore=shutil.ignore_patterns("evaluations"))
    values = yaml.safe_load((both / "config.yaml").read_text(encoding="utf-8"))
    data = values["data"]
    data["train"] = [{**data["train"][0], "tag": tag} for tag in ("a", "b")]
    data["valid"]["tag"] = "a"
    values["subword"]["user_symbols"] = ["a", "b"]
    (both / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    source = data["test"]["flickr"]["source"]
    message = rf"{source}, line 2: .*: set data\.test\.flickr\.tag, or give the files with --source"
    for split in ("flickr", "all"):
        with pytest.raises(NmtError, match=message):
            invoke(both, "--split", split)
    assert not list((both / "evaluations").glob("valid*"))
    evaluated(both, "--source", source, "--reference", data["test"]["flickr"]["target"], "--tag", "b")


def test_a_missing_file_of_a_moved_run_is_named_with_its_key_and_config(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(run, moved, ignore=shutil.ignore_patterns("evaluations"))
    values = yaml.safe_load((moved / "config.yaml").read_text(encoding="utf-8"))
    values["data"]["test"]["flickr"]["target"] = "data/flickr.de"
    values["data"]["valid"]["source"] = "data/valid.en"
    (moved / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for split, path, key in (("flickr", "flickr.de", r"data\.test\.flickr"), ("all", "valid.en", r"data\.valid")):
        with pytest.raises(NmtError) as caught:
            invoke(moved, "--split", split)
        assert re.fullmatch(
            rf"data/{path}: no such file; the path is {key} of {moved}/config\.yaml, relative to the working directory "
            rf"{tmp_path}: change to the right directory, or give files with --source FILE --reference FILE",
            str(caught.value),
        )


def test_results_without_newer_options_belong_to_the_same_evaluation(run: Path, tmp_path: Path) -> None:
    saved = ["--output", str(tmp_path)]
    path = Path(str(evaluated(run, *saved)[0]["hypotheses"])).with_suffix(".json")
    result = json.loads(path.read_text(encoding="utf-8"))
    for name in ("no_repeat_ngram", "repetition_penalty", "beam_prune"):
        del result["search"][name]
    path.write_text(json.dumps(result), encoding="utf-8")
    assert evaluated(run, *saved)[0]["hypotheses"] == str(path.with_suffix(".txt"))
    assert len(list(tmp_path.iterdir())) == 2


def test_options_against_repetition_are_in_the_name_and_the_table(run: Path, tmp_path: Path) -> None:
    asked = ["--output", str(tmp_path), "--no-repeat-ngram", "2", "--repetition-penalty", "1.5"]
    (result,) = evaluated(run, *asked)
    assert Path(str(result["hypotheses"])).name == "flickr-step-1-beam2-no-repeat-ngram-2-repetition-penalty-1.5.txt"
    assert "no 2-gram twice, repetition penalty 1.5" in invoke(run, *asked)


def scores(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {score["name"]: score for score in result["scores"]}


def test_metrics_have_the_options_of_sacrebleu(run: Path) -> None:
    (plain,) = evaluated(run, "--greedy")
    (bleu,) = evaluated(run, "--greedy", "-tok", "char", "-lc")
    (rest,) = evaluated(run, "--greedy", "--chrf-lowercase", "--ter-normalized", "--ter-asian-support")
    before, changed, others = scores(plain), scores(bleu), scores(rest)
    assert "case:lc|eff:no|tok:char" in changed["BLEU"]["signature"]
    assert [changed[name] for name in ("chrF2", "TER")] == [before[name] for name in ("chrF2", "TER")]
    assert others["BLEU"] == before["BLEU"]
    assert "case:lc" in others["chrF2"]["signature"]
    assert "norm:yes|punct:yes|asian:yes" in others["TER"]["signature"]
    assert len({str(result["hypotheses"]) for result in (plain, bleu, rest)}) == 3, "each is saved separately"
    with pytest.raises(click.UsageError, match="--smooth-value goes with"):
        evaluated(run, "--smooth-value", "1")


@pytest.mark.parametrize(("code", "tokenizer"), [("zho_Hans", "zh"), ("tha", "char"), ("de-AT", "13a")])
def test_the_target_language_determines_the_tokeniser(run: Path, tmp_path: Path, code: str, tokenizer: str) -> None:
    other = tmp_path / "run"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("evaluations"))
    values = yaml.safe_load((other / "config.yaml").read_text(encoding="utf-8"))
    values["data"]["target_language"] = code
    (other / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    (result,) = evaluated(other, "--greedy")
    assert f"tok:{tokenizer}|" in scores(result)["BLEU"]["signature"]
    assert "asian:no" in scores(result)["TER"]["signature"]


def test_references_without_spaces_cause_a_warning(run: Path, tmp_path: Path) -> None:
    source, thai = run.parents[1] / "x.en", tmp_path / "thai"
    thai.write_text("วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะ\n" * len(SOURCE), encoding="utf-8")
    options = ["--model", str(run), "--device", "cpu", "--greedy", "-s", str(source), "-r", str(thai)]
    messages = CliRunner().invoke(command, options, catch_exceptions=False, standalone_mode=False).stderr
    assert f"{thai} is written without spaces between words" in messages and "--tokenize char" in messages
