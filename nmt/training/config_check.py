"""Check a configuration, its files and its languages without training: the work of `nmt config check`."""

from pathlib import Path

from nmt.config import Config
from nmt.data.corpus import read_pairs, tsv_hints
from nmt.data.lines import normalize
from nmt.data.manifest import reuse_warning
from nmt.data.preprocess import check_symbols
from nmt.errors import NmtError
from nmt.training.initialization import check_initialization
from nmt.training.preflight import corpora, missing_files, unreadable_texts, working_directory
from nmt.training.validation import bleu_hint


def check_config(config: Config, path: Path) -> list[str]:
    """Return warnings about the configuration that was read from `path`. Raise `NmtError` with one line per error."""
    errors = missing_files(config) or unreadable_texts(config)
    for check in (check_symbols, check_initialization):
        try:
            check(config)
        except NmtError as error:
            errors.append(str(error))
    if errors:
        raise NmtError("\n".join([*(f"{path}: {error}" for error in errors), working_directory()]))
    languages = config.data.source_language, config.data.target_language
    references = [normalize(target, config.data) for _, target in read_pairs(config.data.valid, [])]
    warnings = [hint for corpus in corpora(config).values() for hint in tsv_hints(corpus, languages)]
    warnings += [warning for warning in (bleu_hint(config, references), reuse_warning(config)) if warning is not None]
    return [f"{path}: {warning}" for warning in warnings]
