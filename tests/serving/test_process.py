"""`nmt serve` as a process: start, errors at the start, SIGTERM, SIGHUP, idle and broken connections."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from cli.tiny_run import make_run
from hidden_packages import ROOT
from serving.server_process import serve
from toy_service import ToyLoader, toy_model

from nmt.serving import server as server_module
from scripts.server_process import free_port


def post(url, path, body, timeout=60):
    request = urllib.request.Request(
        url + path, json.dumps(body).encode(), {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=timeout) as response:
        return json.load(response)


def get(url, path):
    with urllib.request.urlopen(url + path, timeout=30) as response:
        return json.load(response)


def start(*arguments, cwd):
    command = [sys.executable, "-m", "nmt", "serve", *arguments]
    return subprocess.run(
        command, cwd=cwd, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("data") / "x")


def test_sigterm_finishes_requests_and_refuses_new_ones(run, tmp_path):
    with serve(tmp_path, run, options=("--max-characters", "1000000")) as server:
        lines = ["a dog runs and the cat sleeps here"] * 800
        answers = []
        client = threading.Thread(target=lambda: answers.append(post(server.url, "/v1/translate", {"source": lines})))
        client.start()
        time.sleep(0.2)  # the request has arrived; it takes longer than this
        assert not answers
        server.process.send_signal(signal.SIGTERM)
        client.join(60)
        assert len(answers[0]["translations"]) == len(lines)
        assert server.process.wait(30) == 0
        with pytest.raises(OSError):
            get(server.url, "/health")
    log = server.log.read_text(encoding="utf-8")
    assert "stopping: finishing" in log and log.rstrip().endswith("stopped") and "Traceback" not in log


def test_sighup_loads_the_models_anew(run, tmp_path):
    served = tmp_path / "served"
    shutil.copytree(run, served)
    with serve(tmp_path, served) as server:
        before = get(server.url, "/v1/models")["models"]
        config = served / "config.yaml"
        config.write_text(config.read_text(encoding="utf-8").replace("target_language: de", "target_language: fr"))
        shutil.rmtree(served / "checkpoints" / "step-1" / "graphs-int8", ignore_errors=True)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: get(server.url, "/v1/models")["models"] != before, server)
        assert get(server.url, "/v1/models")["models"][0]["directions"][0]["target"] == "fr"
        for file in served.rglob("*.safetensors"):
            file.write_bytes(b"damaged")
        for folder in served.rglob("graphs*"):
            shutil.rmtree(folder)
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "reloading failed" in server.log.read_text(encoding="utf-8"), server)
        assert post(server.url, "/translate", {"q": "a dog", "source": "en", "target": "fr"})["translatedText"]


def wait_for(condition, server):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, server.log.read_text(encoding="utf-8")
        time.sleep(0.05)


def test_connections_that_send_nothing_or_nonsense_do_not_stop_others(run, tmp_path):
    with serve(tmp_path, run) as server:
        host, port = server.url.removeprefix("http://").split(":")
        idle = [socket.create_connection((host, int(port))) for _ in range(100)]
        for each in idle[:50]:
            each.sendall(b"POST /translate HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
        with socket.create_connection((host, int(port))) as broken:
            broken.sendall(b"\x16\x03\x01 no HTTP\r\n\r\n")
            assert b" 400 " in broken.recv(1000)
        with socket.create_connection((host, int(port))) as flood:
            flood.settimeout(30)
            flood.sendall(b"GET / HTTP/1.1\r\n")
            with pytest.raises(OSError):
                for _ in range(10_000):
                    flood.sendall(b"x-header: " + b"a" * 1000 + b"\r\n")
        assert get(server.url, "/health") == {"status": "ok"}
        assert post(server.url, "/translate", {"q": "a dog", "source": "en", "target": "de"})["translatedText"]
        server.process.send_signal(signal.SIGTERM)
        for each in idle[:50]:
            each.close()
        assert server.process.wait(30) == 0
        for each in idle:
            each.close()


def test_the_start_fails_with_one_line(run, tmp_path):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        done = start("--model", str(run), "--port", port, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        f"cannot listen on 127.0.0.1, port {port}: Address already in use; choose another --port"
    )
    done = start("--model", "nothing", "--port", str(free_port()), cwd=tmp_path)
    assert done.returncode == 1 and "nothing" in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_listening_for_everyone_without_keys_is_a_warning(bpe, tmp_path, monkeypatch, messages):
    monkeypatch.setattr(server_module._Server, "run", lambda self, sockets: [each.close() for each in sockets])
    monkeypatch.setattr(server_module, "show_server_log", lambda form: None)
    keys = tmp_path / "keys"
    keys.write_text("a-secret-key\n", encoding="utf-8")
    for host, api_keys, expected in (("0.0.0.0", None, True), ("0.0.0.0", keys, False), ("127.0.0.1", None, False)):
        messages.clear()
        server_module.serve(ToyLoader([toy_model(bpe)]), server_module.ServerSettings(host, 0, api_keys=api_keys))
        assert any("without API keys" in line for line in messages) == expected and messages[-1] == "stopped"


def test_the_commands_of_the_documents_work(running_server):
    """README.md and docs/serving.md: `curl localhost:5000/translate …`."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed: apt-get install curl")
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/serving.md")]
    commands = [line.strip() for text in texts for line in text.split("\n") if line.startswith("    curl ")]
    assert len(commands) >= 2
    for command in commands:
        words = shlex.split(command.replace("localhost:5000", running_server.url))
        done = subprocess.run([*words, "-sS"], capture_output=True, text=True, check=True, timeout=60)
        assert list(json.loads(done.stdout)) == ["translatedText"]
