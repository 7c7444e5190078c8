"""`nmt translate` and `nmt logprob` on a run with random weights."""

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from click.testing import CliRunner
from text_files import write_lines

from nmt import config
from nmt.cli import logprob, translate
from nmt.data.subword import Subword, Vocabularies
from nmt.decoding import progress
from nmt.errors import NmtError
from nmt.models.seq2seq import Seq2Seq
from nmt.models.weights import save_weights
from nmt.storage.checkpoint_meta import FORMAT

LINES = ["the cat sat", "", "on a mat", "sat the on mat a cat", "a\u2028cat", "  "]


def make_run(
    folder: Path,
    seed: int,
    words: str = "the cat sat on a mat and dog",
    tags: tuple[str, ...] = (),
    symbols: tuple[str, ...] = (),
    data: dict[str, object] | None = None,
    **model: object,
) -> Path:
    """Write a run folder whose `best` is step-1 and `last` step-2; `data` and `model` are values of these sections.

    The vocabulary contains the `symbols` and the `tags`.
    """
    chosen = random.Random(0)
    corpus = {"source": "none", "target": "none"}
    corpora = [corpus | {"tag": tag} for tag in tags] or [corpus]
    values = {
        "name": folder.name,
        "data": {"train": corpora, "valid": corpus, "source_language": "en", "target_language": "de"} | (data or {}),
        "subword": {"byte_fallback": False, "user_symbols": [*tags, *symbols]},
        "model": {"embedding": {"size": 8}, "encoder": {"size": 8}, "decoder": {"size": 8}, **model},
        "decoding": {"max_length_ratio": 1.0, "max_length_extra": 3, "beam_size": 3},
    }
    parsed = config.parse(values, "test")
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(config.dump(parsed), encoding="utf-8")
    lines = [" ".join(chosen.choices(words.split(" "), k=6)) for _ in range(100)]
    subword = Subword.train(lines, folder / "joint.model", parsed.subword, 60)
    vocabularies = Vocabularies(subword, subword)
    vocabularies.copy_to(folder / "subword")
    for step in (1, 2):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + step)
            model = Seq2Seq(parsed.model, subword.size, subword.size)
            for weight in model.parameters():
                torch.nn.init.normal_(weight, std=0.7)
        checkpoint = folder / "checkpoints" / f"step-{step}"
        checkpoint.mkdir(parents=True)
        save_weights(model, checkpoint / "model.safetensors")
        meta = {"format": FORMAT, "step": step, "vocabularies": vocabularies.fingerprint}
        (checkpoint / "meta.json").write_text(json.dumps(meta), encoding="utf-8")
    (folder / "checkpoints" / "best").write_text("step-1\n", encoding="utf-8")
    (folder / "checkpoints" / "last").write_text("step-2\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "one", seed=0)


def call(run, *arguments, text=None, command=translate.command):
    """Return stdout and stderr. Exceptions of the command are raised."""
    given = "".join(f"{line}\n" for line in LINES) if text is None else text
    asked = [*(["--model", str(run)] if run else []), "--precision", "fp32", *map(str, arguments)]
    result = CliRunner().invoke(command, asked, input=given.encode(), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_the_output_has_one_line_per_input_line(run, tmp_path):
    out, err = call(run)
    assert len(out.split("\n")) == len(LINES) + 1
    assert [not line for line in out.split("\n")[:-1]] == [not line.strip() for line in LINES]
    assert "step-1" in err and "fp32" in err and "lines/s" in err and "target tokens/s" in err
    source, output = tmp_path / "in.txt", tmp_path / "out.txt"
    write_lines(source, LINES)
    assert call(run, "-i", source, "-o", output, "--quiet") == ("", "")
    assert output.read_text(encoding="utf-8") == out
    assert list(tmp_path.iterdir()) == [source, output] or set(tmp_path.iterdir()) == {source, output}


def test_options_change_the_search(run):
    greedy = call(run, "--greedy")[0]
    assert call(run, "--beam-size", 1)[0] == greedy
    with_loops = call(run, "--greedy", "--max-repeats", 0)[0]
    assert call(run, "--sample", "--top-k", 1)[0] == with_loops != greedy
    assert call(run, "--sample", "--temperature", 1e-4)[0] == with_loops
    assert call(run, "--sample", "--seed", 2)[0] != call(run, "--sample", "--seed", 3)[0]
    assert call(run, "--tokens-per-batch", 1, "--window", 2)[0] == call(run)[0]
    assert call(run, "--max-length-ratio", 5, "--min-length", 12)[0] != call(run)[0]
    for line in call(run, "--prefix", "the dog", text="a cat\n" * 3)[0].split("\n")[:3]:
        assert line.startswith("the dog")


def test_output_formats(run):
    first = call(run)[0].split("\n")[:-1]
    lists = call(run, "--n-best", 3)[0].split("\n")[:-1]
    assert lists[::3] == first and len(lists) == 3 * len(LINES)
    moses = [line.split(" ||| ") for line in call(run, "--n-best", 3, "--format", "moses")[0].split("\n")[:-1]]
    scores = [(int(number), -float(score)) for number, _, _, score in moses]
    assert all(feature.startswith("F0= ") for _, _, feature, _ in moses)
    assert scores == sorted(scores) and {number for number, _ in scores} == set(range(len(LINES)))
    objects = [json.loads(line) for line in call(run, "--n-best", 3, "--format", "json")[0].split("\n")[:-1]]
    assert [entry["hypotheses"][0]["text"] for entry in objects] == first
    for entry, text in zip(objects, first, strict=True):
        assert len(entry["hypotheses"][0]["alignment"]) == len(text.split())


def test_an_n_best_list_contains_each_text_once_by_default(run, monkeypatch):
    """Segmentations with the same text are one translation. The first of a list equals the 1-best translation."""
    monkeypatch.setattr(Subword, "decode", lambda self, ids: "abc"[sum(ids) % 3])

    def lists(*arguments):
        printed = call(run, "--format", "json", *arguments)[0].split("\n")[:-1]
        return [[found["text"] for found in json.loads(line)["hypotheses"]] for line in printed]

    first, distinct, every = lists(), lists("-n", 3), lists("-n", 3, "--no-distinct")
    assert any(len(set(found)) < len(found) for found in every)
    assert all(len(set(found)) == len(found) for found in distinct) and lists("-n", 3, "--distinct") == distinct
    assert [found[:1] for found in distinct] == [found[:1] for found in every] == first
    lines = call(run, "-n", 3)[0].split("\n")[:-1]
    assert len(lines) == 3 * len(LINES) and lines[::3] == [texts[0] for texts in first]
    draws = lists("--sample", "-n", 9)
    assert [len(found) for found in draws] == [9 if line.strip() else 1 for line in LINES]
    assert lists("--sample", "-n", 9, "--distinct") == [list(dict.fromkeys(found)) for found in draws]


@pytest.mark.parametrize("search", [["--greedy"], ["--beam-size", "3"], ["--sample", "--seed", "3"]])
def test_options_against_repetition_change_the_search(run, search):
    asked = [*search, "--max-length-ratio", 9, "--min-length", 8]

    def pieces(*arguments):
        printed = call(run, *asked, *arguments, "--format", "json", text="the cat sat on a mat\ndog dog\n")[0]
        return [json.loads(line)["hypotheses"][0]["text"].split() for line in printed.split("\n")[:-1]]

    assert any(len(set(words)) < len(words) for words in pieces())
    assert pieces("--no-repeat-ngram", 0, "--repetition-penalty", 1) == pieces()
    assert pieces("--no-repeat-ngram", 1) != pieces() != pieces("--repetition-penalty", 2)


def test_alignments_are_written_to_a_file_or_inline(run, tmp_path):
    links = tmp_path / "links"
    out = call(run, "--alignments", links)[0]
    lines = links.read_text(encoding="utf-8").split("\n")
    for source, target, pairs in zip(LINES, out.split("\n"), lines, strict=False):
        parsed = [tuple(map(int, pair.split("-"))) for pair in pairs.split()]
        assert [word for _, word in parsed] == list(range(len(target.split())))
        assert all(word < len(source.split()) for word, _ in parsed)
    inline = call(run, "--alignments", "-")[0].split("\n")[:-1]
    joined = [f"{a} ||| {b}".rstrip(" ") for a, b in zip(out.split("\n"), lines, strict=False)][: len(LINES)]
    assert inline == joined


def test_checkpoints_and_ensembles(run):
    steps = [call(run, "--checkpoint", name) for name in ("best", "last", "step-2")]
    assert steps[1][0] == steps[2][0] != steps[0][0]
    by_folder = call(run / "checkpoints" / "step-2")
    assert by_folder[0] == steps[1][0] and "step-2" in by_folder[1]
    assert call(run, "--model", run)[0] == steps[0][0]
    both = call(run, "--model", run / "checkpoints" / "step-2")
    assert both[0] not in (steps[0][0], steps[1][0])


def test_the_models_of_an_ensemble_must_have_the_same_vocabulary(run, tmp_path):
    other = make_run(tmp_path / "other", seed=5, words="a bee can do every fine gig here")
    with pytest.raises(NmtError, match=r"one.*other.*different subword models"):
        call(run, "--model", other)


def test_the_models_of_an_ensemble_must_normalise_text_alike(run, tmp_path):
    for key, value in (("lowercase", True), ("normalization", "nfkc"), ("collapse_whitespace", False)):
        other = make_run(tmp_path / key, seed=5, data={key: value})
        with pytest.raises(NmtError, match=rf"one.*{key}.*differ in data\.{key}"):
            call(run, "--model", other)
    tagged = make_run(tmp_path / "tagged", seed=5, tags=("<2de>",))
    untagged = make_run(tmp_path / "untagged", seed=6, symbols=("<2de>",))
    for first, second in ((tagged, untagged), (untagged, tagged)):
        with pytest.raises(NmtError, match=r"different tags"):
            call(first, "--model", second)


def test_an_ensemble_of_different_networks_does_not_depend_on_their_order(tmp_path):
    """If one network copies and all have attention, the ensemble replaces unknown words."""
    copies = make_run(tmp_path / "copies", seed=6, decoder={"size": 8, "copy_source": True})
    plain = make_run(tmp_path / "plain", seed=7)
    blind = make_run(
        tmp_path / "blind", seed=8, attention={"score": "none"}, decoder={"size": 8, "context_to": "every_step"}
    )
    transformer = make_run(tmp_path / "transformer", seed=9, decoder={"kind": "transformer", "size": 8, "heads": 2})
    unseen = "the Katze sat\ncat Qq dog\n"
    for other in (plain, blind, transformer):
        text = call(copies, "--model", other, text=unseen)[0]
        assert text == call(other, "--model", copies, text=unseen)[0]
        assert len(text.split("\n")) == 3
    both = plain, "--model", copies, "--max-repeats", 0
    replaced = call(*both, text=unseen)[0]
    assert replaced == call(*both, "--replace-unknown", text=unseen)[0]
    assert replaced != call(*both, "--keep-unknown", text=unseen)[0]


def test_logprob_and_search_give_the_same_score(run, tmp_path):
    """A prefix that is longer than the maximum length is the whole translation, so the search has no choice."""
    targets = ["the cat sat on a mat", "dog sat on the mat and sat", "mat mat mat mat mat"]
    sources = ["the cat sat", "on a mat", "sat the on mat a cat"]
    for name, texts in (("s", sources), ("t", targets)):
        (tmp_path / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    forced = [
        "--prefix-file",
        tmp_path / "t",
        "--max-length-ratio",
        1e-9,
        "--format",
        "json",
        "--input",
        tmp_path / "s",
    ]
    found = [json.loads(line)["hypotheses"][0] for line in call(run, *forced)[0].split("\n")[:-1]]
    assert [hypothesis["text"] for hypothesis in found] == targets
    files = ["--source", tmp_path / "s", "--target", tmp_path / "t"]
    plain = call(run, *files, command=logprob.command)[0].split("\n")[:-1]
    tokens = call(run, *files, "--per-token", command=logprob.command)[0].split("\n")[:-1]
    assert [float(value) for value in plain] == pytest.approx([one["log_prob"] for one in found], abs=1e-4)
    for value, entry in zip(plain, map(json.loads, tokens), strict=True):
        assert float(value) == pytest.approx(sum(entry["token_log_probs"]), abs=1e-5)
        assert len(entry["tokens"]) == len(entry["token_log_probs"]) and entry["tokens"][-1] == "</s>"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--shortlist", 4], "no lexicon, .*; use --shortlist 0, or learn it: nmt train "),
        (["--n-best", 9], "--beam-size of at least 9"),
        (["--checkpoint", "step-9"], "step-9"),
        (["--input", "missing.txt"], "missing.txt"),
        (["--output", "no/such/folder/out"], "no/such/folder"),
    ],
)
def test_error_messages_name_the_option_or_the_file(run, arguments, message):
    with pytest.raises(NmtError, match=message):
        call(run, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--greedy", "--sample"], "--greedy and --sample exclude"),
        (["--greedy", "--beam-size", "4"], "--greedy and --beam-size exclude"),
        (["--greedy", "--beam-prune", "1"], "--greedy and --beam-prune exclude"),
        (["--sample", "--beam-prune", "1"], "--sample and --beam-prune exclude"),
        (["--sample", "--max-repeats", "3"], "--sample and --max-repeats exclude"),
        (["--temperature", "0.5"], "--temperature needs --sample"),
        (["--greedy", "--top-k", "0"], "--top-k needs --sample"),
        (["--top-p", "1"], "--top-p needs --sample"),
        (["--seed", "1"], "--seed needs --sample"),
        (["--prefix", "a", "--prefix-file", "b"], "--prefix and --prefix-file exclude"),
        (["--prefix", "a", "--shortlist", "4"], "--shortlist and a prefix"),
        (["--length-penalty", "none", "--alpha", "0.3"], "--alpha has no effect"),
        (["--greedy", "--n-best", "2"], "--greedy gives one translation"),
        (["--sample", "--top-p", "2"], "--top-p"),
        (["--sample", "--temperature", "nan"], "--temperature"),
    ],
)
def test_contradicting_options_are_usage_errors(run, arguments, message):
    result = CliRunner().invoke(translate.command, ["--model", str(run), *arguments], input=b"a\n")
    assert result.exit_code == 2 and message in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--max-length-ratio", "inf"],
        ["--alpha", "nan"],
        ["--alpha", "11"],
        ["--coverage-penalty", "-1"],
        ["--window", "99999999999999999999"],
        ["--beam-size", "10001"],
        ["--beam-size", "99999999999999999999"],
        ["--n-best", "10001"],
        ["--n-best", "0"],
        ["--min-length", "10001"],
    ],
)
def test_values_out_of_range_are_usage_errors(run, arguments):
    result = CliRunner().invoke(translate.command, ["--model", str(run), *arguments], input=b"a\n")
    assert result.exit_code == 2 and arguments[0] in result.stderr


def test_a_failed_translation_does_not_change_the_output(run, tmp_path):
    output, prefixes = tmp_path / "out", tmp_path / "prefixes"
    output.write_text("precious", encoding="utf-8")
    prefixes.write_text("a\n", encoding="utf-8")
    with pytest.raises(NmtError, match="--prefix-file has 1 lines"):
        call(run, "--prefix-file", prefixes, "--output", output)
    assert output.read_text(encoding="utf-8") == "precious"
    assert set(tmp_path.iterdir()) == {output, prefixes}


def test_more_prefixes_than_lines_are_an_error_after_all_lines_are_translated(run, tmp_path):
    output, prefixes, source = tmp_path / "out", tmp_path / "prefixes", tmp_path / "source"
    prefixes.write_text("a\n" * 3, encoding="utf-8")
    source.write_text("a bee\n" * 2, encoding="utf-8")
    with pytest.raises(NmtError, match="prefixes: has more lines than the input"):
        call(run, "--prefix-file", prefixes, "--input", source, "--output", output)
    assert len(output.read_text(encoding="utf-8").splitlines()) == 2


def test_the_wrong_subword_model_is_an_error(run, tmp_path):
    other = make_run(tmp_path / "other", seed=5, words="a bee can do every fine gig here")
    (other / "subword" / "joint.model").write_bytes((run / "subword" / "joint.model").read_bytes())
    with pytest.raises(NmtError, match="not the subword model"):
        call(other)


def test_help_does_not_import_torch():
    code = "import sys; import nmt.cli.translate, nmt.cli.logprob; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="pipes and signals")
def test_live_input_is_translated_line_by_line_and_a_closed_pipe_is_no_error(run):
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(run), "--precision", "fp32"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin and process.stdout and process.stderr
        expected = call(run)[0].encode().split(b"\n")
        for line, answer in zip(LINES, expected, strict=False):
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == answer + b"\n"  # while stdin stays open
        process.stdout.close()
        process.stdin.write(b"the cat\n")
        process.stdin.flush()
        err = process.stderr.read()
        assert process.wait(20) in (1, 141, -signal.SIGPIPE)
    assert b"Traceback" not in err and b"Exception" not in err and b"Broken" not in err


def test_the_tag_is_put_before_each_line(tmp_path):
    tagged = make_run(tmp_path / "tagged", seed=5, tags=("<2de>", "<2fr>"))
    written = "".join(f"<2fr> {line}\n" if line.strip() else f"{line}\n" for line in LINES)
    asked, expected = call(tagged, "--tag", "<2fr>")[0], call(tagged, text=written)[0]
    assert asked == expected and asked != call(tagged, "--tag", "<2de>")[0]
    assert expected == call(tagged, "--tag", "<2de>", text=written)[0]  # the tag of the line itself is used
    with pytest.raises(
        NmtError, match=r"line 1: .*choose one with --tag, or begin the line with one of the tags <2de>, <2fr>"
    ):
        call(tagged)
    entries = [json.loads(line) for line in call(tagged, "--tag", "<2fr>", "--format", "json")[0].split("\n")[:-1]]
    first = entries[0]
    assert first["source"] == LINES[0]
    assert {source for source, _ in first["hypotheses"][0]["alignment"]} <= set(range(len(LINES[0].split())))
    with pytest.raises(NmtError, match=r"--tag <2xx>: this model was not trained with it; its tags are: <2de>, <2fr>"):
        call(tagged, "--tag", "<2xx>")


def test_the_tag_of_a_long_line_is_put_before_each_part(tmp_path):
    tagged = make_run(tmp_path / "tagged", seed=5, tags=("<2de>", "<2fr>"))
    values = yaml.safe_load((tagged / "config.yaml").read_text(encoding="utf-8"))
    values["decoding"]["max_source_tokens"] = 3
    (tagged / "config.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    text = "ein mann geht . eine frau singt . ein kind\n"
    asked = json.loads(call(tagged, "--tag", "<2fr>", "--format", "json", text=text)[0])
    written = json.loads(call(tagged, "--format", "json", text=f"<2fr> {text}")[0])
    for found in written["hypotheses"]:
        found["alignment"] = [[source - 1, target] for source, target in found["alignment"]]
    assert asked["hypotheses"] == written["hypotheses"]
    assert call(tagged, text="<2fr>\n")[0] == "\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(("stream", "status"), [("stdout", 1), ("stderr", 0)])
def test_a_full_disk(run, stream, status):
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(run), "--precision", "fp32"]
    with Path("/dev/full").open("wb") as full:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: full}
        done = subprocess.run(command, input=b"ein mann\n" * 3, check=False, **streams)
    assert done.returncode == status
    if stream == "stdout":
        assert done.stderr.decode().rstrip("\n").split("\n")[-1] == "nmt: error: output: No space left on device"
    else:
        assert done.stdout.count(b"\n") == 3


def test_without_attention_there_are_no_alignments(tmp_path):
    plain = make_run(
        tmp_path / "plain", seed=6, attention={"score": "none"}, decoder={"size": 8, "context_to": "every_step"}
    )
    assert len(call(plain)[0].split("\n")) == len(LINES) + 1
    first = json.loads(call(plain, "--format", "json")[0].split("\n")[0])
    assert first["hypotheses"][0]["text"] and first["hypotheses"][0]["alignment"] == []
    for asked in (("--alignments", "-"), ("--replace-unknown",), ("--coverage-penalty", "0.1")):
        with pytest.raises(
            NmtError, match=r"a model without attention .*replace_unknown must be false, .*coverage_penalty must be 0"
        ):
            call(plain, *asked)


def test_a_shortlist_is_an_error_for_a_copying_model(tmp_path):
    with pytest.raises(NmtError, match=r"shortlist must be 0 with model\.decoder\.copy_source"):
        call(make_run(tmp_path / "copies", seed=7, decoder={"size": 8, "copy_source": True}), "--shortlist", "4")


@pytest.mark.parametrize("output", [".", "..", "/", ""])
def test_a_folder_as_output_is_an_error(run, output):
    with pytest.raises(NmtError, match=r"is a folder|[Ii]s a directory"):
        call(run, "--output", output)


def test_progress_is_logged_without_a_terminal(run, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FIRST_REPORT", 0.0)
    monkeypatch.setattr(progress, "REPORT_INTERVAL", 0.0)
    write_lines(tmp_path / "in", LINES)
    told = call(run, "-i", tmp_path / "in", "--window", 2)[1]
    assert re.search(r"^2 lines in .* lines/s, .* target tokens/s, \d\d %, 0:00:\d\d left$", told, re.MULTILINE)
    assert re.search(r"^6 lines in .* 100 %, 0:00:00 left$", told, re.MULTILINE)
    (tmp_path / "in.gz").write_bytes(gzip.compress((tmp_path / "in").read_bytes()))
    packed = call(run, "-i", tmp_path / "in.gz", "--window", 2)[1]
    assert re.search(r"^2 lines in .* target tokens/s$", packed, re.MULTILINE) and "%" not in packed
    assert call(run, "-i", tmp_path / "in", "--quiet")[1] == ""
