"""Files on disk: atomic writes, checksums, run folders, locks."""
