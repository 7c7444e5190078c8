"""What a run says on a terminal."""

import sys

from nmt.storage.run_folder import Run
from nmt.training.training_log import TrainingLog


def test_on_a_terminal_there_is_a_bar(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with TrainingLog(Run(tmp_path), 2, 5) as journal:
        journal.say("words")
        journal.advance()
        journal.show(3, 1.5, 1000.0, 0.1)
    said = capsys.readouterr().err
    assert "words\n" in said and "3/5" in said and "loss 1.500, 1,000 target tokens/s" in said
