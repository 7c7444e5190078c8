"""Write times and sizes for people."""


def format_seconds(seconds: float) -> str:
    """Return `seconds` as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def format_size(size: float) -> str:
    """Return a number of bytes as text, e.g. 35 MB."""
    for unit in ("kB", "MB"):
        size /= 1000
        if size < 999.5:
            return f"{size:.{0 if size >= 9.95 else 1}f} {unit}"
    size /= 1000
    return f"{size:.1f} GB"
