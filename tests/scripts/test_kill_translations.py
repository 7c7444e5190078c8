"""scripts/fault_injection/translate_files.py finds parts that are written again."""

import os
from pathlib import Path

from scripts.fault_injection.translate_files import finished_parts, rewritten


def test_a_finished_part_that_is_written_again_is_found(tmp_path: Path) -> None:
    parts = [tmp_path / ".parts" / name for name in ("a/000000", "a/000001", "news/b/000000")]
    for path in (*parts, tmp_path / ".parts/a/plan.json", tmp_path / ".parts/a/.000002.host:1.0.tmp", tmp_path / "a"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    before = finished_parts(tmp_path)
    assert before.keys() == {*parts}
    os.utime(parts[1], (1, 1))
    parts[2].unlink()
    assert rewritten(before, finished_parts(tmp_path)) == [parts[1]] and rewritten(before, before) == []
