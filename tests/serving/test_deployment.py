"""The Dockerfile and the systemd unit in scripts/deployment/: what can be checked without Docker and systemd."""

import configparser
import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import urllib.error
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hidden_packages import ROOT
from serving.server_process import Server

from nmt.cli.serve import command

FOLDER = ROOT / "scripts" / "deployment"
DOCUMENTS = [ROOT / "docs" / "serving.md", FOLDER / "Dockerfile"]


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their arguments, in order."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", text)).split("\n")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines if line]


def last(name: str) -> str:
    """Return the arguments of the last instruction `name`."""
    return [arguments for each, arguments in instructions() if each == name][-1]


def copied() -> list[str]:
    """Return the paths that the Dockerfile copies from the repository."""
    found = [shlex.split(arguments) for name, arguments in instructions() if name == "COPY"]
    return [path.rstrip("/") for arguments in found if not arguments[0].startswith("--from") for path in arguments[:-1]]


def unit() -> Iterator[tuple[str, str]]:
    """Yield the settings of the section [Service], some of which occur twice."""
    text = (FOLDER / "nmt-serve.service").read_text(encoding="utf-8")
    for line in text.split("[Service]")[1].split("[Install]")[0].split("\n"):
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            yield name, value


def check_options(arguments: list[str]) -> dict[str, object]:
    """Return the options of `nmt serve` in a command line; an unknown one is an error."""
    assert arguments[:2] == ["/opt/nmt/bin/nmt", "serve"]
    return command.make_context("serve", arguments[2:]).params


def test_copied_paths_exist_and_are_not_ignored() -> None:
    assert {"nmt", "requirements", "pyproject.toml"} <= set(copied())
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text(encoding="utf-8").split("\n")
    patterns = [line for line in ignored if line and not line.startswith("#")]
    assert patterns[0] == "*"
    kept = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    assert kept == set(copied()) and all((ROOT / path).exists() for path in kept)
    assert fnmatch.fnmatch("nmt/cli/__pycache__", patterns[-1])


def test_packages_are_installed_as_the_documents_say() -> None:
    commands = [arguments for name, arguments in instructions() if name == "RUN" and " install " in arguments]
    *_, install = [shlex.split(line.strip()) for line in commands]
    documented = re.findall(r"(?m)^ {4}(pip install .*serve\.txt \.)$", DOCUMENTS[0].read_text(encoding="utf-8"))
    assert documented and {tuple(line.split()[2:]) for line in documented} == {
        tuple(argument for argument in install[2:] if argument != "--no-cache-dir")
    }
    header = (ROOT / "requirements" / "serve.txt").read_text(encoding="utf-8")
    assert documented[0] in header
    assert "torch" not in " ".join(commands)


def test_documents_build_and_run_it_in_the_same_way() -> None:
    texts = [document.read_text(encoding="utf-8").replace("\\\n#", "") for document in DOCUMENTS]
    for words in ("docker build", "docker run"):
        first, second = ([" ".join(found.split()) for found in re.findall(rf"{words} .*", text)] for text in texts)
        assert first == second and len(first) == 1


def test_image_runs_the_server_without_rights() -> None:
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT") and not last("USER").startswith(("0", "root"))
    given = check_options(json.loads(last("ENTRYPOINT")))
    assert (given["host"], given["port"], given["models"]) == ("0.0.0.0", int(last("EXPOSE")), (Path("/model"),))


def test_health_check_succeeds_with_a_server_only(running_server: Server) -> None:
    words = json.loads(last("HEALTHCHECK").split("CMD", 1)[1])
    assert words[:2] == ["/opt/nmt/bin/python", "-c"] and f"http://127.0.0.1:{last('EXPOSE')}/health" in words[2]
    code = words[2].replace(f"http://127.0.0.1:{last('EXPOSE')}", running_server.url)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    closed = words[2].replace(f":{last('EXPOSE')}/", ":1/")
    done = subprocess.run([sys.executable, "-c", closed], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and urllib.error.URLError.__name__ in done.stderr


def test_wheel_has_all_files_of_the_server(tmp_path: Path) -> None:
    """Also the files of the page and of /docs, which are no modules."""
    pytest.importorskip("setuptools", reason="building a wheel needs setuptools")
    for path in copied():
        source = ROOT / path
        if source.is_dir():
            shutil.copytree(source, tmp_path / path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path / path)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "."], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    package = ROOT / "nmt"
    files = {f"nmt/{path.relative_to(package).as_posix()}" for path in package.rglob("*") if path.is_file()}
    wanted = {name for name in files if "__pycache__" not in name and not Path(name).name.startswith(".")}
    assert wanted - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_systemd_unit() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(FOLDER / "nmt-serve.service", encoding="utf-8")
    assert parser.sections() == ["Unit", "Service", "Install"]
    settings = dict(unit())
    given = check_options(settings["ExecStart"].split())
    assert given["host"] == "127.0.0.1"
    timeout = given["timeout"]
    assert isinstance(timeout, float) and int(settings["TimeoutStopSec"]) > timeout + 5
    assert settings["ExecReload"].split()[1:] == ["-HUP", "$MAINPID"]
    strict = ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateDevices", "MemoryDenyWriteExecute")
    assert settings["ProtectSystem"] == "strict" and {settings[name] for name in strict} == {"yes"}


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("systemd-analyze is not installed")
    text = (FOLDER / "nmt-serve.service").read_text(encoding="utf-8")
    path = tmp_path / "nmt-serve.service"
    path.write_text(text.replace("/opt/nmt/bin/nmt", sys.executable), encoding="utf-8")
    done = subprocess.run([analyze, "verify", str(path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
