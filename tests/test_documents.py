"""The commands of README and docs work: cheap ones are run, the others need existing files, options and keys."""

import itertools
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from text_files import write_lines

from nmt import config
from nmt.cli.main import cli
from nmt.reports.config_reference import keys

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCUMENTS = [README, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "data/quickstart/README.md"))]
CHINESE = [ROOT / "README.zh.md", *sorted((ROOT / "docs/zh").rglob("*.md"))]
"""Their commands are those of the English pages (tests/test_chinese_documents.py), and are not checked again."""
DOCUMENTS += sorted({*(ROOT / "docs").rglob("*.md")} - {*CHINESE})
SCRIPT = r"(?:tests/|data/quickstart/)?(?:scripts|grammar)/[\w/-]+\.(?:py|sh)"
STUB = '#!/bin/sh\necho "nmt $*" >> commands\ncat > /dev/null\n'
SMALL = {"embedding": {"size": 16, "tie": "all"}, "encoder": {"size": 16}, "decoder": {"size": 16}}
SHORT = {
    "train": "".join(f" --set model.{key}.size=16" for key in SMALL) + " --set training.max_steps=2",
    "tune": " --steps 2",
}
"""What is added to the commands that train."""
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def commands(document: Path) -> list[str]:
    """Return the command lines of a document, those that end with a backslash or a pipe joined with the next line."""
    text = re.sub(r"```python\n.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"\\\n|(?<=\|)\n", " ", text)
    return [line.strip() for line in re.findall(r"^ {4}\S.*", text, re.MULTILINE)]


def mentioned_commands(document: Path) -> list[str]:
    """Return the `nmt` commands in the running text and in blocks of text, which are not run."""
    text = document.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```text\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line.replace("\\|", "|") for line in re.findall(r"`(nmt [a-z][^`]*)`", outside)] + [
        line[line.index("nmt ") :] for line in re.findall(r"^(?:\w+=\S+ |exec )*nmt .*", blocks, re.MULTILINE)
    ]


def words(line: str) -> list[str]:
    """Split a command line as a shell does; `|`, `<` and `>` are words, and a comment is left out."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|<>")
    lexer.whitespace_split = True
    return list(lexer)


def stages(line: str) -> list[list[str]]:
    """Return the words of each command of a pipeline."""
    found: list[list[str]] = [[]]
    for word in words(line):
        if word == "|":
            found.append([])
        else:
            found[-1].append(word)
    return found


def run(line: str, text: str = "") -> str:
    """Run a pipeline of `echo` and `nmt` in this process, with `text` as stdin, and return what it prints."""
    for stage in stages(line):
        target = None
        for sign in ("<", ">"):
            if sign in stage:
                at = stage.index(sign)
                target = stage[at + 1] if sign == ">" else target
                text = Path(stage[at + 1]).read_text(encoding="utf-8") if sign == "<" else text
                del stage[at : at + 2]
        if stage[0] == "echo":
            text = f"{' '.join(stage[1:])}\n"
        elif stage[0] == "head":
            text = "".join(Path(stage[-1]).read_text(encoding="utf-8").splitlines(keepends=True)[: int(stage[2])])
        else:
            done = CliRunner().invoke(cli, stage[1:], input=text)
            expected = (0, 3) if stage[1] == "doctor" else (0,)  # 3: it finds that there is too little text
            assert done.exit_code in expected, f"{line}: {done.exception} {done.stderr}"
            text = done.stdout
        if target is not None:
            Path(target).write_text(text, encoding="utf-8")
    return text


def unknown_options(line: str, arguments: list[str]) -> set[str]:
    """Return the options of an `nmt` command that it does not have."""
    command: click.Command = cli
    names = (word for word in arguments if word.islower())
    while isinstance(command, click.Group) and (name := next(names, None)):
        found = command.get_command(click.Context(command), name)
        assert found is not None, line
        command = found
    known = {option for parameter in command.params for option in parameter.opts + parameter.secondary_opts}
    return {word for word in arguments if re.match("--?[a-z]", word)} - known - {"--help"}


@every_document
def test_mentioned_commands_have_these_options(document: Path) -> None:
    for line in mentioned_commands(document):
        arguments = re.sub(r"[\[\]…'<>]", " ", line).split("|")[0].split()[1:]
        if arguments[0] != "onnx":  # the name of an engine in a table of benchmarks
            assert unknown_options(line, arguments) == set(), line


@pytest.fixture(scope="module")
def known_keys() -> set[str]:
    """The keys and sections of a configuration."""
    return {part for key in keys() for part in itertools.accumulate(key.name.split("."), "{}.{}".format)}


@every_document
def test_mentioned_keys_exist(document: Path, known_keys: set[str]) -> None:
    text = re.sub(r"^ *```.*?^ *```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    names = re.findall(r"`((?:data|subword|model|training|decoding)(?:\.[a-z0-9_]+)+)[`:]", text)
    for section, item in (("train", "N"), ("test", "NAME")):
        names = [re.sub(rf"^(data\.{section})\.(?:\d+\.)?(?=\D)", rf"\1.{item}.", name) for name in names]
    assert set(names) - known_keys <= {"model.safetensors"}


@every_document
def test_files_options_and_keys_of_commands_exist(document: Path) -> None:
    for line in commands(document):
        for path in re.findall(rf"{SCRIPT}|configs/[\w/-]+\.yaml", line):
            assert (ROOT / path).is_file(), path
        for program, *arguments in stages(line):
            if Path(program).name != "nmt" or arguments[0] == "--help":
                continue
            assert unknown_options(line, arguments) == set(), line
            for path in re.findall(r"--config (configs/\S+)", line):
                config.load(ROOT / path, re.findall(r"--set (\S+)", line))


@pytest.mark.parametrize("document", DOCUMENTS + CHINESE, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(document: Path) -> None:
    for path, heading in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        assert target.exists(), path
        if heading:
            titles = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles], heading


SCRIPTS = sorted({path for document in DOCUMENTS for path in re.findall(SCRIPT, "\n".join(commands(document)))})


@pytest.mark.parametrize("script", [path for path in SCRIPTS if path.endswith(".py") and not path.startswith("tests/")])
def test_documented_options_are_in_the_help_of_a_script(
    script: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    monkeypatch.setattr(sys, "path", [str((ROOT / script).parent), *sys.path])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / script), run_name="__main__")
    assert end.value.code == 0
    shown = capsys.readouterr().out
    for line in (line for document in DOCUMENTS for line in commands(document) if script in line):
        given = line.partition(script)[2].partition("|")[0].partition("#")[0]
        assert [option for option in re.findall(r"(?<!\S)--[\w-]+", given) if option not in shown] == [], line


def write_project(folder: Path) -> None:
    """Write the quickstart with fewer lines and steps, and a stub of `nmt` that writes its arguments to `commands`."""
    for name, count in (("train", 100), ("valid", 4), ("test", 6)):
        for language in ("en", "de"):
            path = f"data/quickstart/{name}.{language}"
            lines = (ROOT / path).read_text(encoding="utf-8").split("\n")[:count]
            for copy in (folder / path, folder / f"{name}.{language}"):
                copy.parent.mkdir(parents=True, exist_ok=True)
                write_lines(copy, lines)
    for copy in ("input.txt", "before.txt", "after.txt"):
        shutil.copy("test.en", copy)
    for name, part in (("pairs.tsv", slice(0, 300)), ("new.tsv", slice(300, 400))):
        sides = [
            (ROOT / f"data/quickstart/train.{language}").read_text("utf-8").split("\n") for language in ("en", "de")
        ]
        write_lines(folder / name, ["\t".join(pair) for pair in list(zip(*sides, strict=True))[part]])
    values = yaml.safe_load((ROOT / "configs/quickstart.yaml").read_text(encoding="utf-8"))
    values["data"] |= {
        "workers": 1,
        "test": dict.fromkeys(("test", "test_2016_flickr"), values["data"]["test"]["test"]),
    }
    values["model"] |= SMALL
    values["training"] |= {"max_steps": 4, "validate_every": 4, "warmup_steps": 1}
    texts = {"configs/quickstart.yaml": yaml.safe_dump(values), "scripts/environment.sh": "environment() { :; }\n"}
    texts |= {".venv/bin/nmt": STUB, "scripts/quickstart.sh": (ROOT / "scripts/quickstart.sh").read_text("utf-8")}
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
        (folder / path).chmod(0o755)


PAGES = [path for path in DOCUMENTS if path.parent.name in ("docs", "results", "tutorial", "guides")]


def cheap_commands(document: Path) -> list[str]:
    """Return the commands of a page that take no longer than a second; the others are only parsed.

    Other tests load the configurations of `nmt train`, with what `--set` changes.
    """
    lines = [
        line
        for line in commands(document)
        if re.match(r"(echo .*\| *|head )?(nmt|-n) (?!serve|train|plot|init|tune|doctor)", line)
    ]
    return (
        lines
        if document.parent.name in ("tutorial", "guides")
        else [line for line in lines if line.startswith("nmt evaluate")]
    )


def test_the_quickstart_and_the_commands_of_the_documents_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All commands of the README are run, and those of the other pages that are cheap."""
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    subprocess.run(["./scripts/quickstart.sh"], check=True, stdin=subprocess.DEVNULL, capture_output=True)
    for line in Path("commands").read_text(encoding="utf-8").splitlines():
        run(line, Path("test.en").read_text(encoding="utf-8"))
    run("nmt train --config runs/quickstart/config.yaml --resume --set decoding.shortlist=32")  # learns the lexicon
    lines = [line for line in commands(README) if re.match(r"(echo .*\| *)?(\S*/)?nmt (?!serve)", line)]
    lines += [line for document in PAGES for line in cheap_commands(document)]
    assert len(lines) > 40
    for line in lines:
        for name in re.findall(r"runs/([\w.-]+)", " ".join(words(line))):
            if not Path("runs", name).exists():
                shutil.copytree("runs/quickstart", Path("runs", name))
        command = line.partition("#")[0]
        assert run(command + SHORT.get(command.split()[1], "")) or re.search("-o|>|train|preprocess", line), line
    for example in re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/tutorial/1-subwords.md").read_text("utf-8"), re.DOTALL
    ):
        exec(example, {})


@pytest.mark.parametrize("page", ["own-data", "fine-tuning", "several-languages"])
def test_the_configurations_of_the_guides_are_valid(page: str) -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / f"docs/guides/{page}.md").read_text("utf-8"), re.DOTALL | re.M)
    assert config.parse(yaml.safe_load(text), page).name


def test_the_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_project(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/python.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    assert '"training.max_steps": 500' in examples[0]
    for example in examples:
        exec(example.replace('"training.max_steps": 500', '"training.max_steps": 8'), names)
        assert names["run"].is_finished
    assert names["losses"].keys() == {4} and len(examples) >= 6
    assert len(names["translation"].targets) == 3 and names["translation"].alignment is not None
