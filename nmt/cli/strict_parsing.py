"""The classes of all commands: they refuse what click would drop or misread, and say what to write instead.

click keeps the last value of an option that is given twice, and reads `-config x` as `-c onfig` and an argument x.
"""

import itertools
from collections.abc import Collection, Iterator
from typing import NamedTuple

import click

from nmt.cli import suggestions
from nmt.cli.log_output import show_log


class Word(NamedTuple):
    """An option or an argument as it stands on the command line."""

    text: str
    """All of it, with what is glued to it."""
    name: str
    """The option's name as it is written, e.g. -i; empty of an argument."""
    option: click.Option | None
    """None of an argument, and of an option that the command does not have."""
    value: str | None
    """Of an option that takes one, if it is there."""


def read(arguments: list[str], known: dict[str, click.Option], mixes: bool) -> Iterator[Word]:
    """Yield the options and arguments of a command line in their order, up to `--`.

    `known` are the options of the command by name; without `mixes` the first argument ends them.
    """
    rest = iter(arguments)
    for text in rest:
        name, equals, glued = text.partition("=")
        if text == "--":
            return
        if not text.startswith("-") or text == "-":
            if not mixes:
                return
            yield Word(text, "", None, None)
        elif name in known:
            option = known[name]
            yield Word(text, name, option, _value(option, glued if equals else None, rest))
        elif text.startswith("--") or text[:2] not in known:
            yield Word(text, name, None, glued if equals else None)
        else:
            yield from _letters(text, known, rest)


def _letters(text: str, known: dict[str, click.Option], rest: Iterator[str]) -> Iterator[Word]:
    """Yield the options of a word of several letters, of which the last may have its value glued to it: -qb5."""
    for place, letter in enumerate(text[1:], 2):
        option = known.get(f"-{letter}")
        if option is None:
            return  # click names it
        value = _value(option, text[place:] or None, rest)
        yield Word(text, f"-{letter}", option, value)
        if _takes_value(option):
            return


def _takes_value(option: click.Option) -> bool:
    return not option.is_flag and not option.count


def _value(option: click.Option, glued: str | None, rest: Iterator[str]) -> str | None:
    """Return the value of an option, taken from `rest` where none is `glued` to its name; None of a flag."""
    if not _takes_value(option):
        return None
    values = [] if glued is None else [glued]
    values += itertools.islice(rest, option.nargs - len(values))
    return " ".join(values) if values else None


class _Strict(click.Command):
    """What `Command` and `Group` share."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`; raises `click.UsageError` for what it would drop or misread."""
        show_log()
        if ctx.resilient_parsing:  # completion of an unfinished line
            return super().parse_args(ctx, args)
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        known = {name: option for option in options for name in (*option.opts, *option.secondary_opts)}
        words = list(read(args, known, ctx.allow_interspersed_args))
        if any(word.option is not None and word.option.is_eager for word in words):  # --help, --version
            return super().parse_args(ctx, args)
        _check_names(words, known, args, ctx)
        _check_repetition(words, ctx)
        try:
            if not any(isinstance(param, click.Argument) for param in self.params):
                _check_arguments(words, known, ctx)
            return super().parse_args(ctx, args)
        except click.UsageError:
            for word in filter(_may_be_long, words):
                if meant := suggestions.near_option(word.text, known, 0.8):
                    why = f"it is read as {word.name} {word.value}; did you mean {meant}?"
                    raise click.NoSuchOption(word.text, f"No such option '{word.text}'; {why}", ctx=ctx) from None
            raise


class Command(_Strict):
    """A command that refuses options it does not have, or that are given twice, with a remedy."""


class Group(_Strict, click.Group):
    """A group of such commands, which suggests one for a name that it does not know."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group.resolve_command`."""
        name = str(args[0])
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        commands = self.list_commands(ctx)
        meant = suggestions.near_command(name, commands)
        meant = "--help" if name == "help" else meant
        remedy = f"did you mean '{ctx.command_path} {meant}'?" if meant else f"there are: {', '.join(commands)}"
        raise click.UsageError(f"No such command '{name}'; {remedy}", ctx)


def _may_be_long(word: Word) -> bool:
    """Tell whether the word has one dash and several letters, and so is read as options of one letter."""
    is_read_whole = word.name == word.text.partition("=")[0]
    return len(word.text) > 3 and word.text[0] == "-" != word.text[1] and not is_read_whole


def _check_names(words: list[Word], known: Collection[str], args: list[str], ctx: click.Context) -> None:
    """Raise `click.NoSuchOption` for the first option that the command does not have, or that lacks a dash."""
    for word in words:
        name = word.text.partition("=")[0]
        if not word.name or name in known or (word.option is not None and not _may_be_long(word)):
            continue
        ours = f"--{suggestions.plain(name)}"
        if ours in known:
            why = "it is written" if name[:2] == "--" else "an option of several letters has two dashes:"
            raise click.NoSuchOption(name, f"No such option '{name}'; {why} {ours}", ctx=ctx)
        if word.option is None and "--set" in known and (remedy := _as_key(word, name, known, args)):
            raise click.NoSuchOption(name, f"No such option '{name}'; {remedy}", ctx=ctx)
        if remedy := suggestions.foreign(name, known):
            raise click.NoSuchOption(name, f"No such option '{name}'; here it is {remedy}", ctx=ctx)
        if word.option is None:
            meant = suggestions.near_option(name, known)
            remedy = f"; did you mean {meant}?" if meant else f"; see {ctx.command_path} --help"
            raise click.NoSuchOption(name, f"No such option '{name}'{remedy}", ctx=ctx)


def _as_key(word: Word, name: str, known: Collection[str], args: list[str]) -> str | None:
    """Return how a key of the configuration is set that was taken for an option; None where it is no key."""
    value = word.value
    if value is None:
        following = args[args.index(word.text) + 1 :][:1]
        value = following[0] if following and not following[0].startswith("-") else None
    if found := suggestions.keys_named(name):
        return f"it is a key of the configuration: {suggestions.setting(found, value)}"
    if section := suggestions.section_named(name):
        return f"it is a section of the configuration: 'nmt config keys {section}' lists its keys, set one with --set"
    if suggestions.near_option(name, known, 0.75) or suggestions.foreign(name, known):
        return None
    near = suggestions.near_key(name)
    return f"did you mean {suggestions.setting([near], value)}?" if near else None


def _check_repetition(words: list[Word], ctx: click.Context) -> None:
    """Raise `click.UsageError` for an option that is given twice but counts once, and for a flag and its opposite."""
    given: dict[click.Option, list[Word]] = {}
    for word in words:
        if word.option is not None and not word.option.multiple and not word.option.count:
            given.setdefault(word.option, []).append(word)
    for option, some in given.items():
        if len(some) > 1 and _takes_value(option):
            values = " and ".join(f"'{word.value}'" for word in some)
            name = max(option.opts, key=len)
            raise click.UsageError(f"{name} may be given once, and has the values {values}; choose one", ctx)
        if len({word.name in option.secondary_opts for word in some}) > 1:
            names = dict.fromkeys(word.name for word in some)
            raise click.UsageError(f"{' and '.join(names)} contradict each other; give one", ctx)


def _check_arguments(words: list[Word], known: Collection[str], ctx: click.Context) -> None:
    """Raise `click.UsageError` for the first argument of a command without any, with the option it may belong to."""
    given = {word.option.name for word in words if word.option is not None}
    for before, word in zip([None, *words], words, strict=False):
        if word.name:
            continue
        remedy = f"see {ctx.command_path} --help"
        key, equals, _ = word.text.partition("=")
        if "--set" in known and equals and suggestions.keys_named(key):
            remedy = f"keys of the configuration are set with --set {word.text}"
        elif before is not None and before.option is not None and before.option.multiple:
            remedy = f"give {before.name} before each value: {before.name} {before.value} {before.name} {word.text}"
        elif "--config" in known and "path" not in given:
            remedy = f"name the configuration with --config {word.text}"
        elif "--input" in known and "source" not in given:
            remedy = f"give --input {word.text} to read it, --output {word.text} to write it"
        raise click.UsageError(f"Got unexpected extra argument ({word.text}); {remedy}", ctx)
