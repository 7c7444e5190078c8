"""Files: atomic writes, checksums, run folders, locks."""
