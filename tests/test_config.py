"""The configuration schema: rejected values with their messages, and that dump and load are inverse."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nmt import config
from nmt.errors import NmtError

CORPUS = {"source": "a.en", "target": "a.de"}


def minimal(**sections: Any) -> dict[str, Any]:
    return {"name": "run", "data": {"train": CORPUS, "valid": CORPUS}, **sections}


def with_data(**keys: Any) -> dict[str, Any]:
    return minimal(data={"train": CORPUS, "valid": CORPUS, **keys})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(minimal()), encoding="utf-8")
    return path


def test_minimal_config_gets_the_defaults(file: Path) -> None:
    loaded = config.load(file)
    assert loaded.model == config.Model()
    assert loaded.training == config.Training()
    assert len(loaded.data.train) == 1, "one corpus may stand without a list"
    assert loaded.run == Path("runs/run")
    assert loaded.prepared == Path("prepared/run")


def test_config_is_frozen(file: Path) -> None:
    with pytest.raises(ValidationError):
        config.load(file).seed = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (minimal(modle={}), "top level: unknown key 'modle'; did you mean 'model'?"),
        (minimal(model={"encoder": {"layer": 2}}), "model.encoder: unknown key 'layer'; did you mean 'layers'?"),
        (minimal(training={"max_step": 2}), "training: unknown key 'max_step'; did you mean 'max_steps'?"),
        (
            minimal(model={"embedding": {"qqq": 2}}),
            "model.embedding: unknown key 'qqq'; known keys: size, tie, source_vectors, target_vectors",
        ),
        (
            with_data(train=[{**CORPUS, "wieght": 2}]),
            "data.train.0: unknown key 'wieght'; did you mean 'weight'?",
        ),
        (
            with_data(test={"flickr": {**CORPUS, "sauce": "x"}}),
            "data.test.flickr: unknown key 'sauce'; did you mean 'source'?",
        ),
        ({"data": {"train": CORPUS, "valid": CORPUS}}, "name: this key is required"),
        ({"name": "run"}, "data: this key is required"),
        ({"name": "run", "data": {"train": CORPUS}}, "data.valid: this key is required"),
    ],
)
def test_unknown_and_missing_keys_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtError) as caught:
        config.parse(values, "c.yaml")
    assert str(caught.value) == f"c.yaml: {message}"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (minimal(training={"max_steps": "many"}), "training.max_steps"),
        (minimal(training={"max_steps": 0}), "training.max_steps"),
        (minimal(training={"max_steps": 1.5}), "training.max_steps"),
        (minimal(training={"learning_rate": float("nan")}), "training.learning_rate"),
        (minimal(training={"betas": [0.9, 0.9, 0.9]}), "training.betas"),
        (minimal(model={"dropout": {"layer": 1.0}}), "model.dropout.layer"),
        (minimal(model={"decoder": {"cell": "qrnn"}}), "model.decoder.cell"),
        (minimal(model=3), "model"),
        (minimal(seed=-1), "seed"),
        (minimal(name="../up"), "name"),
        (minimal(name=""), "name"),
        (with_data(train=[]), "data.train"),
        (with_data(filters={"empty": "perhaps"}), "data.filters.empty"),
        (with_data(source_language="en "), "data.source_language"),
        (with_data(target_language=""), "data.target_language"),
        (with_data(train=[{**CORPUS, "source_language": "zh\tHans"}]), "data.train.0.source_language"),
        (with_data(train=[CORPUS, {**CORPUS, "target_language": "de\x7f"}]), "data.train.1.target_language"),
        (with_data(train=[{**CORPUS, "target_language": "de\u2028"}]), "data.train.0.target_language"),
        (with_data(train=[{**CORPUS, "target_language": "de\u202e"}]), "data.train.0.target_language"),
    ],
)
def test_wrong_values_name_the_key_and_show_the_value(values: dict[str, Any], key: str) -> None:
    with pytest.raises(NmtError) as caught:
        config.parse(values, "c.yaml")
    first = str(caught.value).split("\n")[0]
    assert first.startswith(f"c.yaml: {key}")
    assert "not " in first


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (with_data(valid={"source": "a"}), ["data.valid", "'source' and 'target' must both"]),
        (with_data(valid={}), ["data.valid", "either 'source' and 'target', or 'tsv'"]),
        (with_data(valid={**CORPUS, "tsv": "x"}), ["data.valid", "or 'tsv'"]),
        (with_data(valid={"tsv": "x", "target_column": 1}), ["data.valid", "must differ"]),
        (with_data(valid={**CORPUS, "weight": 2}), ["data", "'valid.weight'", "leave it out"]),
        (with_data(test={"t": {**CORPUS, "weight": 2}}), ["data", "'test.t.weight'", "leave it out"]),
        (with_data(valid={**CORPUS, "source_language": "en"}), ["data", "'valid.source_language'", "leave it out"]),
        (with_data(test={"t": {**CORPUS, "target_language": "en"}}), ["data", "'test.t.target_language'"]),
        (minimal(subword={"kind": "char", "sampling": 0.1}), ["subword", "needs kind bpe or unigram"]),
        (minimal(subword={"source_vocab_size": 5}), ["subword", "joint: false"]),
        (minimal(model={"encoder": {"size": 3}}), ["model.encoder", "must be even"]),
        (minimal(model={"attention": {"score": "dot"}, "encoder": {"size": 4}}), ["model", "score: general"]),
        (minimal(model={"decoder": {"start": "last"}, "encoder": {"size": 4}}), ["model", "start: bridge"]),
        (minimal(model={"embedding": {"tie": "all"}}, subword={"joint": False}), ["subword.joint: true"]),
        (minimal(training={"tokens_per_batch": 9, "sentences_per_batch": 9}), ["training", "not both"]),
        (minimal(training={"validation_bleu": False}), ["training", "'validation_bleu: true'"]),
        (minimal(training={"average_last": 5}), ["training", "'keep_last'"]),
        (minimal(training={"weight_decay": 0.5}), ["training", "adamw"]),
        (minimal(training={"min_learning_rate": 1.0}), ["training", "'min_learning_rate' 1 is above"]),
        (minimal(decoding={"length_penalty": "none", "alpha": 0.5}), ["decoding", "'alpha' has no effect"]),
        (minimal(max_steps=5), ["unknown key 'max_steps'; did you mean training.max_steps?"]),
        (minimal(name=2014), ["name", "not 2014; write it in quotes"]),
    ],
)
def test_contradictions_name_section_and_remedy(values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(NmtError) as caught:
        config.parse(values, "c.yaml")
    assert [word for word in words if word not in str(caught.value)] == []


def test_several_errors_are_reported_together() -> None:
    with pytest.raises(NmtError) as caught:
        config.parse(minimal(seed=-1, training={"max_step": 1, "patience": -1}), "c.yaml")
    assert len(str(caught.value).split("\n")) == 3


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=7", "seed", 7),
        ("training.max_steps=100", "training.max_steps", 100),
        ("training.betas=[0.9, 0.98]", "training.betas", (0.9, 0.98)),
        ("model.decoder.context_to=same_step", "model.decoder.context_to", "same_step"),
        ("training.tokens_per_batch=null", "training.tokens_per_batch", None),
        ("data.prepared=x=y", "data.prepared", Path("x=y")),
        ("data.valid.source=b.en", "data.valid.source", Path("b.en")),
    ],
)
def test_set_overrides_a_key(file: Path, override: str, path: str, value: object) -> None:
    found: Any = config.load(file, [override])
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


def test_set_changes_list_items_and_the_last_override_wins(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(with_data(train=[dict(CORPUS), dict(CORPUS)])), encoding="utf-8")
    loaded = config.load(path, ["data.train.1.weight=3", "data.train.1.weight=2", "data.test.new.tsv=t.tsv"])
    assert [corpus.weight for corpus in loaded.data.train] == [1, 2]
    assert loaded.data.test["new"].tsv == Path("t.tsv")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set seed: expected section.key=value"),
        ("=1", "expected section.key=value"),
        ("training..x=1", "expected section.key=value"),
        ("seed=[1", "the value is not valid YAML"),
        ("name.x=1", "name is not a section"),
        ("data.train.0.source.x=1", "is not a section"),
        ("data.train.5.weight=1", "is not a section"),
        ("training.max_step=1", "training: unknown key 'max_step'; did you mean 'max_steps'?"),
        ("training.max_steps=x", "training.max_steps"),
    ],
)
def test_invalid_override_is_named(tmp_path: Path, override: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(with_data(train=[CORPUS])), encoding="utf-8")
    with pytest.raises(NmtError) as caught:
        config.load(path, [override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a config is a mapping of sections such as 'data:', not empty"),
        (b"- a\n", "not a list"),
        (b"hello", "not a str"),
        (b"a: [1", "not valid YAML"),
        (b"a: !!python/object:os.system x", "not valid YAML"),
        (b"\xff\xfe", "not UTF-8 text"),
        (b"[" * 5000, "not valid YAML"),
        (b"a: 1\nb: {c: 1}\n\na: 2\n", "line 4: 'a' is a duplicate of line 1"),
        (b"a:\n  - {c: 1, c: 2}\n", "line 2: 'c' is a duplicate of line 2"),
    ],
)
def test_files_that_are_not_a_config(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(NmtError) as caught:
        config.load(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)


def test_missing_file_and_folder_are_reported(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="no such config file"):
        config.load(tmp_path / "none.yaml")
    with pytest.raises(NmtError, match=f"{tmp_path.name}: is a folder"):
        config.load(tmp_path)


def test_merged_yaml_keys_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "merged.yaml"
    path.write_text(
        "name: a\ndata:\n  train: {source: s, target: t}\n"
        "  valid: &pair {source: v, target: w}\n  test: {test: {<<: *pair, source: x}}\n",
        encoding="utf-8",
    )
    loaded = config.load(path)
    assert str(loaded.data.test["test"].source) == "x" and str(loaded.data.test["test"].target) == "w"


def test_a_single_corpus_has_number_0(file: Path) -> None:
    for override in ("data.train.0.weight=2", "data.train.weight=2"):
        assert config.load(file, [override]).data.train[0].weight == 2
        with pytest.raises(NmtError, match=f"^--set {override}x: data.train.0.weight: input should be"):
            config.load(file, [f"{override}x"])


SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "seed": st.integers(0, 2**63),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "learning_rate": st.floats(1e-12, 10),
                "max_steps": st.integers(1, 10**9),
                "label_smoothing": st.floats(0, 1, exclude_max=True),
                "schedule": st.sampled_from(["constant", "inverse_sqrt", "cosine", "plateau"]),
            },
        ),
        "subword": st.fixed_dictionaries({"user_symbols": st.lists(st.text(max_size=5), max_size=3)}),
        "model": st.fixed_dictionaries(
            {"encoder": st.fixed_dictionaries({"size": st.integers(1, 99).map(lambda n: 2 * n)})}
        ),
    },
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(SECTIONS)
def test_parse_inverts_dump(sections: dict[str, Any]) -> None:
    first = config.parse(minimal(**sections), "test")
    assert config.parse(yaml.safe_load(config.dump(first)), "dumped") == first


def test_load_inverts_dump(tmp_path: Path) -> None:
    first = config.parse(with_data(test={"测试": {"tsv": "ä b.tsv"}}, prepared="some where"), "test")
    path = tmp_path / "resolved.yaml"
    path.write_text(config.dump(first), encoding="utf-8")
    assert config.load(path) == first


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent.parent / "configs").rglob("*.yaml")), ids=lambda p: p.name
)
def test_shipped_configs_load_and_have_the_name_of_their_file(path):
    assert config.load(path).name == path.stem


REFUSED = [
    ({"encoder": {"bidirectional_layers": 3, "layers": 2}}, "'bidirectional_layers' 3 is more than 'layers' 2"),
    ({"encoder": {"bidirectional": False, "bidirectional_layers": 1}}, "needs 'bidirectional: true'"),
    ({"encoder": {"bidirectional": 1, "layers": 4}}, "set 'bidirectional_layers'"),
    ({"encoder": {"bidirectional": False, "merge": "sum"}}, "'merge: sum' needs 'bidirectional: true'"),
    ({"encoder": {"reverse": True}}, "'reverse' needs an encoder of one direction"),
    ({"encoder": {"residual": True}}, "encoder.residual has no effect in one layer of 512 units that reads 256 units"),
    ({"decoder": {"residual": True, "layers": 1}}, "decoder.residual has no effect in one layer"),
    ({"encoder": {"residual_from": 2, "layers": 3}}, "'residual_from' has no effect without 'residual'"),
    (
        {
            "embedding": {"size": 512},
            "encoder": {"kind": "transformer"},
            "decoder": {"kind": "transformer"},
            "dropout": {"recurrent": 0.2},
        },
        "dropout.recurrent has no effect in a network without recurrent layers",
    ),
    ({"decoder": {"residual": True, "residual_from": 3}}, "'residual_from' 3 is more than 'layers' 2"),
    (
        {"decoder": {"context_to": "next_input", "feedback": False, "readout": "deep"}},
        "without 'feedback' reads no token",
    ),
    ({"encoder": {"size": 7}, "decoder": {"size": 8}}, "'size' 7 must be even"),
    ({"encoder": {"heads": 4}}, "'heads' has no effect with 'kind: recurrent'"),
    ({"encoder": {"kind": "transformer", "cell": "gru"}}, "'cell' has no effect with 'kind: transformer'"),
    ({"encoder": {"kind": "transformer", "size": 512}}, "needs embedding.size (256) equal to encoder.size (512)"),
    ({"encoder": {"summary": "max"}, "decoder": {"start": "zero"}}, "encoder.summary max is only read by"),
    ({"attention": {"score": "none"}}, "with attention.score none use start or every_step"),
    ({"decoder": {"context_to": "start"}}, "decoder.context_to start needs attention.score none"),
    ({"attention": {"score": "location", "heads": 2}}, "cannot be combined with 'heads' or 'local'"),
    ({"attention": {"score": "general", "heads": 2}}, "need the score dot or additive, not general"),
    ({"attention": {"score": "dot", "heads": 3}}, "'size' 512 must be a multiple of 'heads' 3"),
    ({"attention": {"score": "dot", "heads": 2, "local": "monotonic"}}, "'local' needs a single head"),
    ({"attention": {"score": "dot", "heads": 2, "scaled": False}}, "'scaled: false' needs the score dot or general"),
    ({"attention": {"score": "additive", "scaled": False}}, "'scaled: false' needs the score dot or general"),
    (
        {"attention": {"size": 256}},
        "'size' has no effect with 'score: general', one head and no predicted centre; leave it out",
    ),
    ({"attention": {"score": "dot", "local": "monotonic", "size": 256}}, "'size' has no effect with 'score: dot'"),
    ({"attention": {"score": "location", "size": 256}}, "'size' has no effect with 'score: location'"),
    (
        {"attention": {"score": "none", "size": 256}, "decoder": {"context_to": "start"}},
        "'size' has no effect with 'score: none'",
    ),
    ({"attention": {"window": 5}}, "'window' has no effect without 'local'; leave it out"),
    ({"attention": {"positions": 50}}, "'positions' has no effect without 'score: location'; leave it out"),
    ({"encoder": {"size": 10**19}}, "less than or equal to 100000"),
    ({"attention": {"coverage": True}}, "'coverage' needs 'score: additive'"),
    (
        {"attention": {"score": "additive", "coverage": True}},
        "attention.coverage needs a decoder that computes its steps one after the other",
    ),
    ({"encoder": {"size": 2, "gate_norm": True}}, "'gate_norm' of a single unit is constant"),
    (
        {"encoder": {"size": 1, "bidirectional": False, "layer_norm": True}},
        "'layer_norm' of a single unit is constant",
    ),
    ({"decoder": {"size": 1, "gate_norm": True}}, "'gate_norm' of a single unit is constant"),
    (
        {"decoder": {"context_to": "conditional", "feedback": False}},
        "without 'feedback' the bottom layer has no input if 'context_to' is conditional",
    ),
    (
        {"encoder": {"kind": "transformer", "transitions": 2}, "embedding": {"size": 512}},
        "'transitions' has no effect with 'kind: transformer'",
    ),
    (
        {"encoder": {"kind": "transformer", "gate_norm": True}, "embedding": {"size": 512}},
        "'gate_norm' has no effect with 'kind: transformer'",
    ),
    ({"decoder": {"feedback": False}}, "without 'feedback' the bottom layer has no input"),
    (
        {"attention": {"score": "none"}, "decoder": {"context_to": "start", "start": "zero"}},
        "the decoder knows nothing of the source",
    ),
    (
        {"attention": {"score": "none"}, "decoder": {"context_to": "every_step", "copy_source": True}},
        "decoder.copy_source needs attention",
    ),
    (
        {"attention": {"local": "predictive"}, "decoder": {"copy_source": True}},
        "attention.local predictive attends to a window of it",
    ),
    (
        {"attention": {"local": "monotonic"}, "decoder": {"copy_source": True}},
        "attention.local monotonic attends to a window of it",
    ),
    ({"decoder": {"start": "mean", "size": 256}}, "decoder.start mean needs encoder.size (512) equal to"),
    ({"decoder": {"start": "last", "cell": "gru"}}, "needs the same cell in encoder and decoder"),
    ({"decoder": {"readout": "none"}}, "an output layer with embedding.size (256) inputs, not 1024"),
    ({"decoder": {"readout": "state"}}, "an output layer with embedding.size (256) inputs, not 512"),
    *(
        ({"decoder": {"readout": "state", "context_to": to, "layers": 1}}, "nothing reads the context")
        for to in ("output", "next_input", "upper_layers")
    ),
    (
        {"decoder": {"kind": "transformer", "size": 256}, "attention": {"score": "dot"}},
        "a transformer decoder has its own attention",
    ),
    (
        {
            "encoder": {"layer_norm": True},
            "attention": {"score": "none"},
            "decoder": {"context_to": "every_step"},
        },
        "reads the state of the top layer before encoder.layer_norm",
    ),
    (
        {
            "embedding": {"size": 512},
            "encoder": {"residual": True},
            "attention": {"score": "none"},
            "decoder": {"context_to": "every_step"},
        },
        "reads the state of the top layer before encoder.residual; leave it out, or use summary: mean or max",
    ),
    (
        {
            "encoder": {"residual": True, "residual_from": 2, "layers": 2},
            "attention": {"score": "none"},
            "decoder": {"context_to": "every_step"},
        },
        "reads the state of the top layer before encoder.residual; leave it out, or use summary: mean or max",
    ),
    ({"embedding": {"tie": "all", "source_vectors": "a", "target_vectors": "b"}}, "there is one table"),
    (
        {
            "embedding": {"tie": "none", "target_vectors": "b"},
            "attention": {"score": "none"},
            "decoder": {"context_to": "every_step", "feedback": False},
        },
        "embedding.target_vectors: with decoder.feedback false and embedding.tie none there are no target embeddings",
    ),
]


@pytest.mark.parametrize(("model", "message"), REFUSED)
def test_impossible_networks_are_rejected_with_a_reason(model: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtError, match="model") as caught:
        config.parse(minimal(model=model), "c.yaml")
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (minimal(training={"teacher_forcing": "linear"}), "'teacher_forcing: linear' needs 'teacher_decay'"),
        (
            minimal(training={"teacher_forcing": "exponential", "teacher_decay": 2}),
            "needs 'teacher_decay' below 1, not 2.0",
        ),
        (
            minimal(training={"teacher_forcing": "linear", "teacher_decay": 0.5}),
            "'teacher_forcing: linear' needs 'teacher_decay' of 1 or more, a number of steps, not 0.5",
        ),
        (
            minimal(training={"teacher_forcing": "inverse_sigmoid", "teacher_decay": 0.99}),
            "'teacher_forcing: inverse_sigmoid' needs 'teacher_decay' of 1 or more, a number of steps, not 0.99",
        ),
        (
            minimal(training={"teacher_decay": 100}),
            "'teacher_decay' has no effect with 'teacher_forcing: always'; leave it out",
        ),
        (minimal(training={"plateau_patience": 1}), "'plateau_patience' has no effect without 'schedule: plateau'"),
        (minimal(decoding={"max_length_ratio": 1e6}), "decoding.max_length_ratio"),
        (minimal(training={"teacher_floor": 0}), "'teacher_floor' has no effect with 'teacher_forcing: always'"),
        (minimal(training={"risk_samples": 5}), "'risk_samples' has no effect without 'objective: risk'; leave it out"),
        (minimal(training={"risk_sharpness": 1}), "'risk_sharpness' has no effect without 'objective: risk'"),
        (
            minimal(training={"coverage_loss": 0}),
            "training.coverage_loss has no effect without model.attention.coverage; leave it out",
        ),
        (
            minimal(training={"coverage_after": 0.5}),
            "training.coverage_after has no effect without model.attention.coverage; leave it out",
        ),
        (
            minimal(
                training={"coverage_after": 0.5, "coverage_loss": 0},
                model={
                    "attention": {"score": "additive", "coverage": True},
                    "decoder": {"context_to": "next_input"},
                },
            ),
            "training.coverage_after has no effect with coverage_loss 0; leave it out",
        ),
        (
            minimal(training={"r_drop": 5}, model={"dropout": {"embedding": 0, "layer": 0, "output": 0}}),
            "training.r_drop has no effect if model.dropout drops nothing, because both passes are then the same",
        ),
        (
            minimal(
                training={"r_drop": 5},
                model={
                    "attention": {"score": "none"},
                    "decoder": {"context_to": "start", "layers": 1},
                    "encoder": {"layers": 1, "size": 512},
                    "dropout": {"embedding": 0, "output": 0},
                },
            ),
            "training.r_drop has no effect if model.dropout drops nothing",
        ),
        (
            minimal(training={"validation_bleu": False, "metric": "loss", "validation_sentences": 9}),
            "'validation_sentences' has no effect with 'validation_bleu: false'; leave it out",
        ),
        (minimal(decoding={"beam_size": 10**20}), "decoding.beam_size"),
        (minimal(decoding={"alpha": 1000.0}), "decoding.alpha"),
        (minimal(decoding={"window": 10**20}), "decoding.window"),
        (minimal(training={"objective": "risk"}), "set 'init_from' to its run"),
        (
            minimal(training={"objective": "risk", "init_from": "runs/a", "r_drop": 1}),
            "'objective: risk' cannot be combined with 'r_drop' or 'teacher_forcing'",
        ),
        (
            minimal(training={"init_from": "runs/a"}, model={"embedding": {"source_vectors": "v"}}),
            "training.init_from provides the embeddings",
        ),
        (with_data(train={"source": "a", "target": "b", "tag": "<2de>"}), "missing from subword.user_symbols"),
        (
            minimal(model={"decoder": {"copy_source": True}}, decoding={"shortlist": 3}),
            "decoding.shortlist cannot be combined with model.decoder.copy_source",
        ),
        (
            minimal(model={"decoder": {"copy_source": True}}, training={"r_drop": 1}),
            "training.r_drop cannot be combined with model.decoder.copy_source: it compares the probabilities",
        ),
        (
            minimal(model={"decoder": {"copy_source": True}}, subword={"joint": False}),
            "model.decoder.copy_source needs subword.joint: true",
        ),
        (
            minimal(model={"attention": {"score": "location", "positions": 9}}),
            "model.attention.positions 9 must be more than training.max_tokens 256",
        ),
        (
            minimal(model={"attention": {"score": "location"}}, decoding={"max_source_tokens": 300}),
            "model.attention.positions 257 must be more than 300: decoding.max_source_tokens",
        ),
        (
            minimal(
                model={"attention": {"score": "none"}, "decoder": {"context_to": "every_step"}},
                decoding={"replace_unknown": True},
            ),
            "decoding.replace_unknown needs attention",
        ),
        (
            minimal(
                model={"attention": {"score": "none"}, "decoder": {"context_to": "every_step"}},
                decoding={"coverage_penalty": 0.1},
            ),
            "decoding.coverage_penalty needs attention",
        ),
        (
            minimal(
                model={"attention": {"score": "none"}, "decoder": {"context_to": "every_step", "feedback": False}},
                training={"teacher_forcing": "linear", "teacher_decay": 10},
            ),
            "training.teacher_forcing has no effect without model.decoder.feedback",
        ),
    ],
)
def test_sections_that_contradict_each_other_are_rejected(values: dict[str, Any], message: str) -> None:
    with pytest.raises(NmtError, match=r"c\.yaml") as caught:
        config.parse(values, "c.yaml")
    assert message in str(caught.value)


def test_nested_yaml_aliases_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    lines = [f"l{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]" for depth in range(1, 10)]
    path.write_text("l0: &a0 [x]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(NmtError, match="not valid YAML: more than 100,000 values"):
        config.load(path)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "valid", "all", ".hidden", "-x", "", "a b"])
def test_invalid_names_of_test_sets_are_rejected(name: str) -> None:
    with pytest.raises(NmtError, match="the name of a test or validation set consists of letters"):
        config.parse(with_data(test={name: CORPUS}), "test")


@pytest.mark.parametrize("name", ["test_2016_flickr", "en-de", "2014", "новости"])
def test_valid_names_of_test_sets_are_accepted(name: str) -> None:
    assert list(config.parse(with_data(test={name: CORPUS}), "test").data.test) == [name]


@pytest.mark.parametrize("written", ["~/pairs.tsv", "$HOME/pairs.tsv", "${HOME}/pairs.tsv"])
def test_home_and_environment_variables_in_paths_are_expanded(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    corpus = {"tsv": written}
    values = {"name": "a", "data": {"train": corpus, "valid": corpus, "prepared": "~/prepared"}}
    parsed = config.parse(values, "test")
    assert parsed.data.train[0].tsv == parsed.data.valid.tsv == tmp_path / "pairs.tsv"
    assert parsed.prepared == tmp_path / "prepared"


def test_unset_variable_is_named_and_a_file_with_a_dollar_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NMT_NOWHERE", raising=False)
    path = tmp_path / "$NMT_NOWHERE"
    corpus = {"tsv": str(path)}
    with pytest.raises(NmtError, match=r"data\.valid\.tsv: .*environment variable NMT_NOWHERE is not set"):
        config.parse({"name": "a", "data": {"train": {"tsv": "a"}, "valid": corpus}}, "test")
    path.touch()
    assert config.parse({"name": "a", "data": {"train": corpus, "valid": corpus}}, "test").data.valid.tsv == path
