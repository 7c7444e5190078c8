"""Download the Multi30k captions (task 1) to data/multi30k and verify their checksums.

    python scripts/corpora/download_multi30k.py                        # English and German, the public repository
    python scripts/corpora/download_multi30k.py --languages en de fr cs
    python scripts/corpora/download_multi30k.py --from /mnt/multi30k   # a folder with train.en.gz, tok/train.lc...

Needs only Python. Valid files are kept, so running it again continues an interrupted download. The source is
https://github.com/multi30k/dataset (CC BY-NC-SA 4.0); a copy must contain the same text.
"""

import argparse
import gzip
import hashlib
import http.client
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PUBLIC = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1"
LANGUAGES = ("en", "de", "fr", "cs")
TIMEOUT = 30.0
GZIP_MAGIC = b"\x1f\x8b"


class Known(NamedTuple):
    """Checksum and number of lines of the uncompressed text of a file."""

    sha256: str
    lines: int


class DownloadError(Exception):
    """A file is missing or is not the expected one; the message names it."""


FILES: dict[str, Known] = {
    "train.en.gz": Known("460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6", 29_000),
    "train.de.gz": Known("2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72", 29_000),
    "train.fr.gz": Known("5925a3c18f1587b6b54b87743106e6e8ab93618edb6f65d19eac0621f853a10d", 29_000),
    "train.cs.gz": Known("2be68b38c8d586ff4f54eb13cc6e1baaaa053695b3f070d3038303a47f2268da", 29_000),
    "val.en.gz": Known("1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227", 1_014),
    "val.de.gz": Known("660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660", 1_014),
    "val.fr.gz": Known("5304e444d842e962b2dda4d816b70b22a1765b15401642b7ca37a67477e708dc", 1_014),
    "val.cs.gz": Known("d53827e469b0a1ca8d57e9e26b2b64c4bc4b33f5479c7b03ae87ae5c882c3e33", 1_014),
    "test_2016_flickr.en.gz": Known("399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182", 1_000),
    "test_2016_flickr.de.gz": Known("4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16", 1_000),
    "test_2016_flickr.fr.gz": Known("cb3160d69b002bb638e66cc7612fcd56cb0af82eadc9c142dedc438afb885ef6", 1_000),
    "test_2016_flickr.cs.gz": Known("45adb85f688de8407fddcbe1b36dca15d12aab868149b337e2576f2d6d2ff8d8", 1_000),
    "tok/train.lc.norm.tok.en.gz": Known("08925f8e0572bcd5a006702fc5fe20e2d77c6917d4eebd576fc20de6693c2119", 29_000),
    "tok/train.lc.norm.tok.de.gz": Known("cb5a23529b65ec2061f1dc446192a9c37382b63cc75f81a0be59d34894b3a505", 29_000),
    "tok/train.lc.norm.tok.fr.gz": Known("8fa41bb718412bcb7c5dfa58603842810a01543eae86a51279f9886b901266e1", 29_000),
    "tok/train.lc.norm.tok.cs.gz": Known("7645fb91efa18f94c83d493f740a5d5a941e4b01efa6a124bf2d4af040e133e0", 29_000),
    "tok/val.lc.norm.tok.en.gz": Known("46573ce391ae227f1c72f873392436a20ef18e0a6d518098cfbd70b77c8572ec", 1_014),
    "tok/val.lc.norm.tok.de.gz": Known("97232bd273eceb7207f689527386a97e4be2616b18ada47576bdaf96c8ae1f00", 1_014),
    "tok/val.lc.norm.tok.fr.gz": Known("b303e301aa21fe7822a846b2b3fb2d5a1121ec807cd5b1d006fb7b2b5507168a", 1_014),
    "tok/val.lc.norm.tok.cs.gz": Known("b87ee4917f4a0f9ca6cca03e402026c9f4437dc1bd6a7dadfd2544ecfb6c5501", 1_014),
    "tok/test_2016_flickr.lc.norm.tok.en.gz": Known(
        "5b7f32627cf99eced828311b955dae9800bb52bc8b91cf8b6526829e605b29d2", 1_000
    ),
    "tok/test_2016_flickr.lc.norm.tok.de.gz": Known(
        "c6a33d39d48f9f510de147651316cd9d918e09ad0219df734a2f16b6baccacc4", 1_000
    ),
    "tok/test_2016_flickr.lc.norm.tok.fr.gz": Known(
        "1463bd5960f9bfe098ec3cd752d3df0c49c84dc646fb518964a29232658cd836", 1_000
    ),
    "tok/test_2016_flickr.lc.norm.tok.cs.gz": Known(
        "748c8816de928732365176e5c5d2f9bbabcec9b8d4448fba2d230feb057898a7", 1_000
    ),
}


def candidates(name: str) -> list[str]:
    """Return the possible paths of `name` in a source: in the repository's layout or ours, compressed or not."""
    plain = name.removesuffix(".gz")
    folder = "" if name.startswith("tok/") else "raw/"
    return list(dict.fromkeys([folder + name, folder + plain, name, plain]))


def is_web(source: str) -> bool:
    """Return whether `source` is a URL and not a folder."""
    return urllib.parse.urlsplit(source).scheme in ("http", "https")


def read_url(url: str, attempts: int, pause: float) -> bytes | None:
    """Return the body of `url`, or None if the server has no such file.

    After a timeout, a broken connection or a server error, try again up to `attempts` times in all. The pause before
    the second attempt is `pause` seconds and doubles each time. Raise DownloadError after the last attempt.
    """
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            with error:
                if error.code in (404, 410):
                    return None
                if error.code < 500 and error.code not in (408, 429):
                    raise DownloadError(f"{url}: HTTP status {error.code} {error.reason}") from None
                problem = f"HTTP status {error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error)) or type(error).__name__
    raise DownloadError(f"{url}: {problem} ({attempts} attempts); try again later, or give a copy with --from")


def read_source(source: str, name: str, attempts: int, pause: float) -> bytes:
    """Return the bytes of file `name`, compressed or not, from a folder or URL."""
    for path in candidates(name):
        if is_web(source):
            body = read_url(f"{source.rstrip('/')}/{path}", attempts, pause)
            if body is not None:
                return body
        elif (Path(source) / path).is_file():
            return (Path(source) / path).read_bytes()
    raise DownloadError(f"{source} has no {name} (tried {', '.join(candidates(name))})")


def unpack(body: bytes, name: str) -> bytes:
    """Return the text of `body`, which may be gzip or plain; raise DownloadError if the gzip file is broken."""
    if not body.startswith(GZIP_MAGIC):
        return body
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise DownloadError(f"{name}: broken gzip file ({error}); remove the copy, or try again") from None


def check(text: bytes, name: str, known: Known) -> None:
    """Raise DownloadError if `text` is not the known text of the file."""
    lines = text.count(b"\n")
    if lines != known.lines:
        raise DownloadError(
            f"{name}: has {lines:,} lines, not {known.lines:,}; this is not the file of Multi30k task 1"
        )
    digest = hashlib.sha256(text).hexdigest()
    if digest != known.sha256:
        raise DownloadError(
            f"{name}: wrong checksum: the sha256 of the text is {digest}, not {known.sha256}; nothing was written"
        )


def is_valid(path: Path, known: Known) -> bool:
    """Return whether the file at `path` exists and has the known text."""
    try:
        check(unpack(path.read_bytes(), path.name), path.name, known)
    except (FileNotFoundError, DownloadError):
        return False
    return True


def write(path: Path, text: bytes) -> None:
    """Write `text` as gzip, atomically; the bytes of the file depend only on the text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(gzip.compress(text, compresslevel=9, mtime=0))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def fetch(
    source: str,
    output: Path,
    languages: Sequence[str],
    files: Mapping[str, Known] = FILES,
    attempts: int = 4,
    pause: float = 1.0,
) -> tuple[int, int]:
    """Download every file of `languages` to `output`; return the numbers of files written and already valid."""
    if not is_web(source) and not Path(source).is_dir():
        raise DownloadError(f"--from {source}: neither a folder nor an http(s) URL")
    written = kept = 0
    for name, known in files.items():
        if name.removesuffix(".gz").rsplit(".", 1)[1] not in languages:
            continue
        if is_valid(output / name, known):
            kept += 1
            continue
        print(f"{name} …", file=sys.stderr, flush=True)
        text = unpack(read_source(source, name, attempts, pause), name)
        check(text, name, known)
        write(output / name, text)
        written += 1
    return written, kept


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--from", dest="source", default=PUBLIC, help="URL or folder of the files (default %(default)s)"
    )
    parser.add_argument(
        "--output", type=Path, default=Path("data/multi30k"), help="folder to write (default %(default)s)"
    )
    parser.add_argument(
        "--languages",
        nargs="+",
        choices=LANGUAGES,
        default=["en", "de"],
        metavar="LANG",
        help="languages, of en de fr cs (default en de)",
    )
    options = parser.parse_args(arguments)
    try:
        written, kept = fetch(options.source, options.output, options.languages)
    except (DownloadError, OSError) as error:
        print(f"download_multi30k.py: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("download_multi30k.py: interrupted; run it again to continue", file=sys.stderr)
        return 130
    print(f"{options.output}: {written} files written, {kept} were already valid")
    return 0


if __name__ == "__main__":
    sys.exit(main())
