"""`nmt init` on files of every form: a configuration that loads, or one clear line."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from odd_files import CHINESE, ENGLISH, GERMAN, PAIRS, READABLE, REFUSED, RUSSIAN, table

from nmt import config
from nmt.cli.main import cli
from nmt.corpora.new_config import Request, config_for_training, create_config
from nmt.errors import NmtError
from nmt.training.config_check import check_config


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nmt(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(cli, arguments)


def init(name: str, content: bytes | str, **options: object) -> config.Config:
    """Write a file, and return the configuration that `nmt init` writes for it."""
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    path = create_config(Request((Path(name),), **options))  # type: ignore[arg-type]
    return config.load(path)


def lines(path: str) -> list[str]:
    """Return the lines of a file."""
    return Path(path).read_text(encoding="utf-8").split("\n")[:-1]


@pytest.mark.parametrize("name", READABLE)
def test_readable(name: str, messages: list[str]) -> None:
    content, source, target, said = READABLE[name]
    found = init(name, content)
    assert (found.data.source_language, found.data.target_language) == (source, target)
    assert said in "\n".join(messages)
    check_config(found, Path(f"{found.name}.yaml"))
    folder = found.data.valid.source.parent  # type: ignore[union-attr]
    read = [line for part in ("train", "valid", "test") for line in lines(f"{folder}/{part}.{source}")]
    assert len(read) == len(set(read)) or name in ("swapped.tsv", "some-empty.tsv")
    assert len(lines(f"{folder}/train.{source}")) == len(lines(f"{folder}/train.{target}"))
    if source == "en" and "e" not in name.split(".")[0][:1] and name not in ("tokenized.tsv", "nul.tsv", "twenty.tsv"):
        assert set(ENGLISH) <= set(read)  # e.g. no quotes, marks or numbers are left in the text


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(NmtError, match=message) as error:
        init(name, content)
    assert str(error.value).startswith(name) and "\n" not in str(error.value)
    assert sorted(path.name for path in Path().iterdir()) == [name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("missing.tsv", "missing.tsv: no such file"),
        (".", r".: is a folder; give text files"),
        ("a.en a.en", "a.en: given twice"),
        ("a.en b.de", "a.en has 120 lines but b.de has 119; the files must be aligned line by line"),
        ("a.en pairs.tsv", "pairs.tsv: is a table with tabs"),
        ("pairs.tsv -o nowhere/x.yaml", "no such folder: nowhere"),
        ("pairs.tsv -o config", "give the name of a YAML file"),
        ("pairs.tsv -o mine.yaml", "mine.yaml: exists, and was made from other text"),
        ("pairs.tsv -o other.yaml", "other-data: exists and was not made by nmt init"),
        ("pairs.tsv --source-language Klingonese", "--source-language Klingonese: unknown language"),
        ("pairs.tsv --source-language de --target-language German", "choose the same text"),
        ("pairs.tsv --encoding utf-99", "--encoding utf-99: unknown encoding"),
        ("pairs.tsv --valid missing.tsv", "missing.tsv: no such file"),
        ("a.en a.de pairs.tsv", "PAIRS: give one table, or two aligned files; not 3 files"),
    ],
)
def test_wrong_commands(arguments: str, message: str) -> None:
    texts = {"a.en": table(ENGLISH), "a.de": table(GERMAN), "b.de": table(GERMAN[:-1]), "pairs.tsv": PAIRS}
    for name, text in {**texts, "mine.yaml": "name: mine\n"}.items():
        Path(name).write_text(text, encoding="utf-8")
    Path("other-data").mkdir()
    before = sorted(Path().rglob("*"))
    result = nmt("init", *arguments.split())
    assert result.exit_code and message in f"{result.stderr}{result.exception}"
    assert sorted(Path().rglob("*")) == before and Path("mine.yaml").read_text() == "name: mine\n"


def test_two_files_named_by_their_common_part(messages: list[str]) -> None:
    for name, text in (("news.de.txt", ENGLISH), ("news.en.txt", GERMAN)):
        Path(name).write_text(table(text), encoding="utf-8")
    path = create_config(Request((Path("news.de.txt"), Path("news.en.txt"))))
    found = config.load(path)
    assert (str(path), found.data.source_language, found.data.target_language) == ("news.yaml", "en", "de")
    assert any("news.de.txt: the name says de, but the text is English (en)" in line for line in messages)


def test_languages_choose_columns_and_their_order() -> None:
    text = table(ENGLISH, GERMAN, RUSSIAN)
    found = init("three.tsv", text, languages=("ru", "en"))
    assert (found.data.source_language, found.data.target_language) == ("ru", "en")
    assert set(lines("three-data/train.ru")) < set(RUSSIAN) and set(lines("three-data/train.en")) < set(ENGLISH)


def test_encoding_of_the_user() -> None:
    found = init("ru.tsv", table(ENGLISH, RUSSIAN).encode("koi8-r", "replace"), encoding="koi8-r")
    assert found.data.target_language == "ru" and set(lines("ru-data/test.ru")) < set(RUSSIAN)


def test_norwegian_is_not_false() -> None:
    assert init("no.tsv", PAIRS, languages=("en", "no")).data.target_language == "no"


def test_chinese_has_a_vocabulary_of_its_own() -> None:
    found = init("zh.tsv", table(ENGLISH, CHINESE))
    assert (found.subword.joint, found.model.embedding.tie) == (False, "target")
    assert "BLEU's tokeniser, zh" in Path("zh.yaml").read_text(encoding="utf-8")


def test_facts_set_filters() -> None:
    copies = table(*[[f"{text} This is not translated number {i}" for i, text in enumerate(ENGLISH[:9])]] * 2)
    far = "Yes of course.\t" + "Das ist viel zu lang, um eine Übersetzung zu sein, und geht weiter. " * 3 + "\n"
    found = init("noisy.tsv", PAIRS.replace("Paul", "P&amp;ul") + PAIRS[:90] + copies + far)
    assert found.data.unescape_html and found.data.filters.copies and found.data.filters.duplicates
    assert 4 <= found.data.filters.max_ratio < 10
    lower = init("lower.tsv", PAIRS.lower())
    assert lower.data.lowercase and not lower.data.unescape_html and not lower.data.filters.copies


def test_own_sets_are_kept_and_their_sentences_leave_the_training_text(messages: list[str]) -> None:
    Path("valid.tsv").write_text(table(ENGLISH[:5], GERMAN[:5]), encoding="utf-8")
    Path("t.en").write_text(table([ENGLISH[7].upper()]), encoding="utf-8")
    Path("t.de").write_text("Etwas ganz anderes steht hier in dieser Zeile.\n", encoding="utf-8")
    found = init("pairs.tsv", PAIRS, valid=(Path("valid.tsv"),), test=(Path("t.en"), Path("t.de")))
    assert lines("pairs-data/valid.en") == ENGLISH[:5] and lines("pairs-data/test.en") == [ENGLISH[7].upper()]
    train = lines("pairs-data/train.de")
    assert not {*GERMAN[:5], GERMAN[7]} & set(train) and len(train) == len(set(PAIRS.split("\n"))) - 1 - 6
    assert list(found.data.test) == ["test"]
    assert any("because they share a sentence with the given sets" in line for line in messages)


def test_repeated_command_changes_nothing_and_force_replaces(messages: list[str]) -> None:
    init("pairs.tsv", PAIRS)
    Path("pairs.yaml").write_text("name: edited\n", encoding="utf-8")
    create_config(Request((Path("pairs.tsv"),)))
    assert "pairs.yaml is up to date" in messages[-1] and Path("pairs.yaml").read_text() == "name: edited\n"
    with pytest.raises(NmtError, match="other text or with other options; choose another name with -o"):
        init("pairs.tsv", PAIRS + "Another one\tEine andere\n")
    assert init("pairs.tsv", PAIRS + "Another one\tEine andere\n", is_forced=True).name == "pairs"


def test_every_setting_is_explained() -> None:
    init("pairs.tsv", PAIRS)
    text = Path("pairs.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["training"]["max_steps"] > 0
    assert text.count("#") > 25 and max(map(len, text.split("\n"))) <= 120
    for key in ("vocab_size", "dropout", "max_steps", "max_ratio", "joint", "target_language"):
        number = next(i for i, line in enumerate(text.split("\n")) if line.strip().startswith(f"{key}:"))
        assert "#" in "".join(text.split("\n")[number - 1 : number + 1]), key


SMALL = "model.encoder.size=8 model.decoder.size=8 model.embedding.size=8 subword.vocab_size=400 data.workers=1"


def test_train_from_a_table(messages: list[str]) -> None:
    """From a table to a translation; the second command uses the configuration of the first one."""
    Path("pairs.tsv").write_text(PAIRS, encoding="utf-8")
    options = [word for value in SMALL.split() for word in ("--set", value)]
    options += ["--set", "training.max_steps=2", "--set", "training.validation_sentences=2"]
    done = nmt("train", "pairs.tsv", *options)
    assert done.exit_code == 0 and Path("runs/pairs/checkpoints/step-2").is_dir(), done.output
    edited = Path("pairs.yaml").read_text(encoding="utf-8") + "# edited\n"
    Path("pairs.yaml").write_text(edited, encoding="utf-8")
    assert config_for_training((Path("pairs.tsv"),)) == Path("pairs.yaml")
    assert "it is used unchanged" in messages[-1] and Path("pairs.yaml").read_text(encoding="utf-8") == edited
    both = nmt("train", "pairs.tsv", "--config", "pairs.yaml")
    neither = nmt("train")
    assert both.exit_code == neither.exit_code == 2 and "give --config, or one table" in both.stderr
