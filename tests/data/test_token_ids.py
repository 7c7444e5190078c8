"""Models need only the token ids: importing them loads no preprocessing."""

import subprocess
import sys


def test_importing_the_model_loads_no_preprocessing() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import nmt.models.seq2seq; "
        "loaded = set(sys.modules) - before; "
        "print([m for m in loaded if m.startswith(('sentencepiece', 'sacrebleu', 'nmt.data.prep'))])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
