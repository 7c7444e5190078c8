"""Makes the small run of the tests of the commands available here."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "cli"))
