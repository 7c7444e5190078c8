"""Scripts for developers. Run each as `python scripts/FOLDER/NAME.py` from the root of the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The root of the repository."""
