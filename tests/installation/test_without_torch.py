"""What works without torch, and what the commands that need torch or matplotlib say where they are not installed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli.tiny_run import SOURCE, TARGET, make_run
from click.testing import CliRunner
from hidden_packages import ROOT, environment_without
from text_files import write_lines

from nmt.cli.main import COMMANDS, cli
from nmt.decoding.loading import load
from nmt.errors import INSTALL_COMMANDS, missing_package

Run = Callable[..., subprocess.CompletedProcess[str]]
CONFIG = str(ROOT / "configs" / "quickstart.yaml")
NEEDS_TORCH = f"nmt: error: this command needs torch, which is not installed; install it: {INSTALL_COMMANDS['torch']}\n"


def hidden(request: pytest.FixtureRequest) -> tuple[str, dict[str, str] | None]:
    """Return a Python and its environment variables with which torch is not found, although it is installed."""
    return sys.executable, request.getfixturevalue("without_torch")


def not_installed(request: pytest.FixtureRequest) -> tuple[str, dict[str, str] | None]:
    """Return the Python of the environment without torch."""
    return str(request.getfixturevalue("torch_free_python")), None


def runner(given: tuple[str, dict[str, str] | None], tmp_path: Path) -> Run:
    """Return a function that runs this Python in an empty folder."""
    interpreter, variables = given
    folder = tmp_path / "empty"
    folder.mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [interpreter, *arguments]
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(params=[hidden, not_installed], ids=["hidden", "not installed"])
def either_python(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """A function that runs Python without torch in an empty folder; torch is hidden from it, or not installed."""
    return runner(request.param(request), tmp_path)


@pytest.fixture
def python(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """As `either_python`: torch is not installed, or hidden from Python where there is no package index."""
    try:
        return runner(not_installed(request), tmp_path)
    except pytest.skip.Exception:
        return runner(hidden(request), tmp_path)


def test_torch_is_not_found(either_python: Run) -> None:
    code = "import importlib.util, sys, nmt; print(importlib.util.find_spec('torch'), 'torch' in sys.modules)"
    assert either_python("-c", code).stdout == "None False\n"
    assert "ModuleNotFoundError: No module named 'torch'" in either_python("-c", "from torch import nn").stderr


def test_the_repository_is_imported(either_python: Run) -> None:
    assert either_python("-c", "import nmt; print(nmt.__file__)").stdout == f"{ROOT / 'nmt' / '__init__.py'}\n"


def test_help_of_all_commands(python: Run) -> None:
    code = (
        "import sys; from click.testing import CliRunner; from nmt.cli.main import cli\n"
        "for command in sys.argv[1:]: print(command, CliRunner().invoke(cli, [command, '--help']).exit_code)"
    )
    assert python("-c", code, *COMMANDS).stdout.splitlines() == [f"{command} 0" for command in COMMANDS]


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("config", "--help"), ("config", "keys", "model.encoder")], ids=str
)
def test_output_is_that_of_an_installation_with_torch(
    python: Run, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    done = python("-m", "nmt", *arguments)
    cli.main(arguments, prog_name="nmt", standalone_mode=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, capsys.readouterr().out, "")


def test_config_is_shown(python: Run) -> None:
    done = python("-m", "nmt", "config", "show", "--config", CONFIG)
    assert (done.returncode, done.stderr) == (0, "")
    assert "name: quickstart\n" in done.stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-m", "bleu", "chrf", "ter", "--score-only"), "100.00\t100.00\t0.00\n"),
        (("-m", "bleu", "-tok", "intl", "--score-only"), "100.00\n"),  # imports regex
        (("-m", "chrf", "-sl", "--format", "tsv"), "100.00"),
        (("-m", "bleu", "--paired", "--paired-bs-n", "20", "--json", "other.txt"), '"score"'),  # imports numpy
    ],
    ids=str,
)
def test_score(python: Run, tmp_path: Path, options: tuple[str, ...], expected: str) -> None:
    for name, text in (("ref", "the cat sat on the mat\n"), ("hyp", "the cat sat on the mat\n"), ("other", "a dog\n")):
        (tmp_path / "empty" / f"{name}.txt").write_text(text, encoding="utf-8")
    done = python("-m", "nmt", "score", "-r", "ref.txt", "hyp.txt", *options)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose best checkpoint has graphs."""
    run = make_run(tmp_path_factory.mktemp("run"))
    load(run, engine="onnx")
    return run


@pytest.fixture(scope="module")
def exported(run_folder: Path) -> Path:
    """The exported run."""
    folder = run_folder.parent / "exported"
    assert CliRunner().invoke(cli, ["export", str(run_folder), "--output", str(folder)]).exit_code == 0
    return folder


@pytest.mark.parametrize("model", ["run_folder", "exported"])
def test_lines_are_translated_and_scored(
    python: Run, model: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """With the commands and from Python; the results are those of an installation with torch."""
    folder = request.getfixturevalue(model)
    alone = load(request.getfixturevalue("run_folder"), engine="onnx")
    texts = [translation.text for translation in alone.translate(SOURCE)]
    write_lines(tmp_path / "empty" / "in", SOURCE)
    write_lines(tmp_path / "empty" / "out", TARGET)
    done = python("-m", "nmt", "translate", "--model", str(folder), "--input", "in", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "".join(f"{text}\n" for text in texts), "")
    done = python("-m", "nmt", "logprob", "--model", str(folder), "--source", "in", "--target", "out", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    log_probs = list(alone.log_prob(zip(SOURCE, TARGET, strict=True)))
    assert [float(line.split("\t")[0]) for line in done.stdout.splitlines()] == pytest.approx(log_probs, abs=1e-3)
    files = ["--source", "in", "--reference", "out", "--output", "results"]
    done = python("-m", "nmt", "evaluate", "--model", str(folder), *files, "--json")
    assert done.returncode == 0, done.stderr
    [result] = json.loads(done.stdout)
    assert Path(tmp_path / "empty" / result["hypotheses"]).read_text() == "".join(f"{text}\n" for text in texts)
    code = (
        "import sys, json, nmt; translator = nmt.load(sys.argv[1]); source, target = map(json.loads, sys.argv[2:])\n"
        "print(json.dumps([[t.text for t in translator.translate(source)], "
        "list(translator.log_prob(zip(source, target)))]))\nassert 'torch' not in sys.modules"
    )
    done = python("-c", code, str(folder), json.dumps(SOURCE), json.dumps(TARGET))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found[0] == texts and found[1] == pytest.approx(log_probs, abs=1e-4)


@pytest.mark.parametrize(
    ("checkpoint", "options", "remedies"),
    [("step-1", ["--engine", "torch"], ["pip install torch"]), ("step-2", [], ["pip install onnx", "nmt export"])],
)
def test_what_is_missing_is_named(
    run_folder: Path, tmp_path: Path, checkpoint: str, options: list[str], remedies: list[str]
) -> None:
    """For torch, and for the graphs of a checkpoint that has none yet."""
    variables = environment_without(tmp_path, "torch", "onnx")
    model = run_folder / "checkpoints" / checkpoint
    command = [sys.executable, "-m", "nmt", "translate", "--model", str(model), *options]
    done = subprocess.run(command, env=variables, input="a dog", capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert [remedy for remedy in remedies if remedy not in done.stderr] == []


def test_training_says_what_to_install(either_python: Run) -> None:
    done = either_python("-m", "nmt", "train", "--config", CONFIG)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", NEEDS_TORCH)


@pytest.mark.parametrize("arguments", [("plot", "run"), ("attention", "--model", "run")], ids=str)
def test_drawing_says_what_to_install(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    variables = environment_without(tmp_path, "matplotlib")
    command = [sys.executable, "-m", "nmt", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    message = "this command needs matplotlib, which is not installed; install it: pip install matplotlib"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"nmt: error: {message}\n")


@pytest.mark.parametrize("package", ["fastapi", "starlette", "uvicorn", "prometheus_client"])
def test_serving_says_what_to_install(tmp_path: Path, package: str) -> None:
    variables = environment_without(tmp_path, package)
    command = [sys.executable, "-m", "nmt", "serve", "--model", "run"]
    done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
    message = f"this command needs {package}, which is not installed; install it: "
    message += "pip install '.[serve]', in nmt's repository"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"nmt: error: {message}\n")


@pytest.mark.parametrize("name", ["click", "torch.nn", "mattplotlib", None])
def test_other_missing_modules_are_bugs(name: str | None) -> None:
    assert missing_package(ModuleNotFoundError("no module", name=name)) is None
