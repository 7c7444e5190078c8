"""`nmt config`: show, check and explain a configuration."""

import textwrap
from pathlib import Path

import click

from nmt.cli import options
from nmt.cli.strict_parsing import Group
from nmt.errors import NmtError

_CONFIG = options.config_file()
_SET = options.overrides("--set training.max_steps=100")


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show, check or explain a configuration."""
    from nmt.storage.standard_streams import standard_output

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
    from nmt.data.corpus import read_pairs, tsv_hints
    from nmt.data.lines import normalize
    from nmt.data.manifest import reuse_warning
    from nmt.data.preprocess import check_symbols
    from nmt.training.initialization import check_initialization
    from nmt.training.preflight import corpora, missing_files, unreadable_texts, where
    from nmt.training.validation import advice

    config = load(path, overrides)
    wrong = missing_files(config) or unreadable_texts(config)
    for find in (check_symbols, check_initialization):
        try:
            find(config)
        except NmtError as error:
            wrong.append(str(error))
    if wrong:
        raise NmtError("\n".join([*(f"{path}: {fault}" for fault in wrong), where()]))
    languages = config.data.source_language, config.data.target_language
    hints = [hint for corpus in corpora(config).values() for hint in tsv_hints(corpus, languages)]
    references = [normalize(target, config.data) for _, target in read_pairs(config.data.valid, [])]
    for hint in (*hints, advice(config, references), reuse_warning(config)):
        if hint is not None:
            click.echo(f"{path}: {hint}", err=True)
    click.echo(f"{path}: right; the run will be {config.run}, its prepared data {config.prepared}")


@command.command("keys")
@click.argument("prefix", default="")
def keys_(prefix: str) -> None:
    """Explain every key, or those under PREFIX, e.g. model.decoder."""
    import difflib

    from nmt.reports.config_reference import keys

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
