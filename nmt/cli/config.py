"""`nmt config`: show, check and explain a configuration."""

import textwrap
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.parsing import Group
from nmt.errors import NmtError

_CONFIG = options.config_file()
_SET = options.overrides("--set training.max_steps=100")


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show, check or explain a configuration."""
    from nmt.files import standard_output

    standard_output()


@command.command()
@_CONFIG
@_SET
def show(path: Path, overrides: tuple[str, ...]) -> None:
    """Print the resolved configuration: every key, with the defaults filled in."""
    from nmt.config import dump, load

    click.echo(dump(load(path, overrides)), nl=False)


@command.command()
@_CONFIG
@_SET
def check(path: Path, overrides: tuple[str, ...]) -> None:
    """Say whether the configuration is right and its files are there; exit with status 1 if not."""
    from nmt.config import load
    from nmt.data.corpus import read_pairs, surprises
    from nmt.data.lines import normalize
    from nmt.data.prepare import check_symbols
    from nmt.decoding.tags import Tagger
    from nmt.training.beginning import check_beginning
    from nmt.training.validation import advice

    config = load(path, overrides)
    corpora = {f"data.train.{n}": corpus for n, corpus in enumerate(config.data.train)}
    corpora |= {"data.valid": config.data.valid}
    corpora |= {f"data.test.{name}": corpus for name, corpus in config.data.test.items()}
    wrong = [
        f"{path}: {key}.{field}: no such file: {file}"
        for key, corpus in corpora.items()
        for field in ("source", "target", "tsv")
        if (file := getattr(corpus, field)) is not None and not file.is_file()
    ]
    for corpus in () if wrong else corpora.values():
        for surprise in surprises(corpus, (config.data.source_language, config.data.target_language)):
            click.echo(surprise, err=True)
    for key, corpus in corpora.items():
        if wrong or key.startswith("data.train"):
            continue
        sources = (normalize(source, config.data) for source, _ in read_pairs(corpus))
        try:
            Tagger(config.data, corpus.tag or "", f"set {key}.tag").check(sources, key)
        except NmtError as error:
            wrong.append(f"{path}: {error}")
    for find in (check_symbols, check_beginning):
        try:
            find(config)
        except NmtError as error:
            wrong.append(f"{path}: {error}")
    if wrong:
        raise NmtError("\n".join([*wrong, f"paths are relative to the working directory, {Path.cwd()}"]))
    if hint := advice(config, [normalize(target, config.data) for _, target in read_pairs(config.data.valid)]):
        click.echo(f"{path}: {hint}", err=True)
    click.echo(f"{path}: right; the run will be {config.run}, its prepared data {config.prepared}")


@command.command("keys")
@click.argument("prefix", default="")
def keys_(prefix: str) -> None:
    """Explain every key, or those under PREFIX, e.g. model.decoder."""
    import difflib

    from nmt.reports.keys import keys

    found = keys(prefix)
    if not found:
        parts = {".".join(key.name.split(".")[:n]) for key in keys() for n in range(1, 5)}
        near = difflib.get_close_matches(prefix, sorted(parts), n=1, cutoff=0.4)
        raise NmtError(
            f"no key '{prefix}'" + (f"; did you mean '{near[0]}'?" if near else "; `nmt config keys` lists all")
        )
    for key in found:
        click.echo(f"{key.name}  ({key.kind.replace('`', '')}; {_default(key.default)})")
        click.echo(textwrap.fill(key.text, 100, initial_indent="    ", subsequent_indent="    "))


def _default(value: str) -> str:
    return value if value in ("required", "unset") else f"default {value}"
