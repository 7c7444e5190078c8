"""Command classes that reject what click would ignore or misread, and that suggest what to write instead.

If an option is given twice, click silently keeps the last value.
It reads `-config x` as `-c onfig` with an argument `x`.
"""

import re
from collections import deque
from collections.abc import Collection, Iterator
from typing import NamedTuple

import click

from nmt.cli import suggestions
from nmt.cli.log_output import show_log

HELP_OPTIONS = ("-h", "--help")


class Occurrence(NamedTuple):
    """One occurrence of an option or of an argument on the command line."""

    text: str
    """The word on the command line, e.g. -i, --input=FILE or -qb5."""
    name: str = ""
    """The name of the option as it is written, e.g. -i; empty for an argument."""
    option: click.Option | None = None
    """None for an argument, and for an option that the command does not have."""
    value: str | None = None
    """The value, if the option takes one and it is given."""


def parse_occurrences(arguments: list[str], known: dict[str, click.Option], is_mixed: bool) -> Iterator[Occurrence]:
    """Yield the options and arguments of a command line in order, up to `--`.

    `known` are the options of the command by name. Unless options and arguments are mixed, stop at the first argument.
    """
    rest = deque(arguments)
    while rest:
        text = rest.popleft()
        name, equals, attached = text.partition("=")
        value = attached if equals else None
        if text == "--":
            return
        if not text.startswith("-") or text == "-":
            if not is_mixed:
                return
            yield Occurrence(text)
        elif name in known:
            yield Occurrence(text, name, known[name], _value(known[name], value, rest))
        elif text.startswith("--") or text[:2] not in known:
            yield Occurrence(text, name, None, value)
        else:
            yield from _parse_short_options(text, known, rest)


def _parse_short_options(text: str, known: dict[str, click.Option], rest: deque[str]) -> Iterator[Occurrence]:
    """Yield the options of a word such as -qb5: several options of one letter; a value may be attached to the last."""
    for end, letter in enumerate(text[1:], 2):
        option = known.get(f"-{letter}")
        if option is None:
            return  # click reports it
        yield Occurrence(text, f"-{letter}", option, _value(option, text[end:] or None, rest))
        if _takes_value(option):
            return


def _takes_value(option: click.Option) -> bool:
    return not option.is_flag and not option.count


def _value(option: click.Option, attached: str | None, rest: deque[str]) -> str | None:
    """Return the value of an option, `attached` to its name or else the next of `rest`; None for a flag.

    An option whose value may be left out has none if another option follows.
    """
    if not _takes_value(option):
        return None
    if attached is None and isinstance(option.flag_value, str) and (not rest or re.match("-.", rest[0])):
        return option.flag_value
    values = [] if attached is None else [attached]
    values += [rest.popleft() for _ in range(min(len(rest), option.nargs - len(values)))]
    return " ".join(values) if values else None


class _Strict(click.Command):
    """The common part of `Command` and `Group`."""

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """Return the names of the option that prints the help, whatever the context; click keeps the first answer."""
        return list(HELP_OPTIONS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command.parse_args`. Raise `click.UsageError` for what click would ignore or misread."""
        show_log()
        if ctx.resilient_parsing:  # shell completion of an unfinished line
            return super().parse_args(ctx, args)
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        known = {name: option for option in options for name in (*option.opts, *option.secondary_opts)}
        found = list(parse_occurrences(args, known, ctx.allow_interspersed_args))
        if any(each.option is not None and each.option.is_eager and each.text == each.name for each in found):
            return super().parse_args(ctx, args)
        _check_names(found, known, args, ctx)
        _check_repetition(found, ctx)
        try:
            if not any(isinstance(param, click.Argument) for param in self.params):
                _check_arguments(found, known, ctx)
            return super().parse_args(ctx, args)
        except click.UsageError:
            for each in filter(_may_be_long_option, found):
                if similar := suggestions.similar_option(each.text, known, 0.8):
                    remedy = f"it is read as {each.name} {each.value}; did you mean {similar}?"
                    raise _no_such_option(each.text, remedy, ctx) from None
            raise


class Command(_Strict):
    """A command that rejects unknown and repeated options and suggests what to write instead."""


class Group(_Strict, click.Group):
    """A group of such commands that suggests a command for an unknown name."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See `click.Group.resolve_command`."""
        name = str(args[0])
        if ctx.resilient_parsing or name.startswith("-") or self.get_command(ctx, name) is not None:
            return super().resolve_command(ctx, args)
        commands = self.list_commands(ctx)
        similar = "--help" if name == "help" else suggestions.similar_command(name, commands)
        remedy = f"did you mean '{ctx.command_path} {similar}'?" if similar else f"there are: {', '.join(commands)}"
        raise click.UsageError(f"No such command '{name}'; {remedy}", ctx)


def check_usage(*rules: tuple[object, str]) -> None:
    """Raise `click.UsageError` for the first rule, a condition and a message, whose condition is true."""
    for is_violated, message in rules:
        if is_violated:
            raise click.UsageError(message)


def _no_such_option(name: str, remedy: str, ctx: click.Context) -> click.NoSuchOption:
    return click.NoSuchOption(name, f"No such option '{name}'; {remedy}", ctx=ctx)


def _may_be_long_option(each: Occurrence) -> bool:
    """Return whether a word with one dash and several letters, such as -config, was read as options of one letter."""
    is_read_as_one = each.name == each.text.partition("=")[0]
    return len(each.text) > 3 and each.text[0] == "-" != each.text[1] and not is_read_as_one


def _check_names(found: list[Occurrence], known: Collection[str], args: list[str], ctx: click.Context) -> None:
    """Raise `click.NoSuchOption` for the first option that the command does not have or that lacks a dash."""
    for each in found:
        name = each.text.partition("=")[0]
        is_unknown = each.option is None
        if not each.name or name in known or not (is_unknown or _may_be_long_option(each)):
            continue
        normalized = f"--{suggestions.normalize(name)}"
        if normalized in known:
            reason = "it is written" if name[:2] == "--" else "an option of several letters has two dashes:"
            raise _no_such_option(name, f"{reason} {normalized}", ctx)
        if is_unknown and "--set" in known and (remedy := _suggest_key(each, name, known, args)):
            raise _no_such_option(name, remedy, ctx)
        if equivalent := suggestions.equivalent_option(name, known):
            raise _no_such_option(name, f"use {equivalent}", ctx)
        if is_unknown:
            similar = suggestions.similar_option(name, known)
            remedy = f"did you mean {similar}?" if similar else f"see {ctx.command_path} --help"
            raise _no_such_option(name, remedy, ctx)


def _suggest_key(each: Occurrence, name: str, known: Collection[str], args: list[str]) -> str | None:
    """Return how to set the configuration key that is given as the option `name`; None if it is no such key."""
    value = each.value
    if value is None:
        value = next((word for word in args[args.index(each.text) + 1 :][:1] if not word.startswith("-")), None)
    if found := suggestions.keys_named(name):
        return f"it is a key of the configuration: {suggestions.set_options(found, value)}"
    if section := suggestions.section_named(name):
        return f"it is a section of the configuration: 'nmt config keys {section}' lists its keys, set one with --set"
    if suggestions.similar_option(name, known, 0.75) or suggestions.equivalent_option(name, known):
        return None
    similar = suggestions.similar_key(name)
    return f"did you mean {suggestions.set_options([similar], value)}?" if similar else None


def _check_repetition(found: list[Occurrence], ctx: click.Context) -> None:
    """Raise `click.UsageError` for a repeated option that takes one value, and for a flag with its opposite."""
    given: dict[click.Option, list[Occurrence]] = {}
    for each in found:
        if each.option is not None and not each.option.multiple and not each.option.count:
            given.setdefault(each.option, []).append(each)
    for option, group in given.items():
        if len(group) > 1 and _takes_value(option):
            values = " and ".join(f"'{each.value}'" for each in group)
            name = max(option.opts, key=len)
            raise click.UsageError(f"{name} may be given once, and has the values {values}; choose one", ctx)
        if len({each.name in option.secondary_opts for each in group}) > 1:
            names = dict.fromkeys(each.name for each in group)
            raise click.UsageError(f"{' and '.join(names)} contradict each other; give one", ctx)


def _check_arguments(found: list[Occurrence], known: Collection[str], ctx: click.Context) -> None:
    """Raise `click.UsageError` for the first argument of a command without arguments; suggest an option for it."""
    given = {each.option.name for each in found if each.option is not None}
    for previous, each in zip([Occurrence(""), *found], found, strict=False):
        if each.name:
            continue
        key, equals, _ = each.text.partition("=")
        if "--set" in known and equals and suggestions.keys_named(key):
            remedy = f"keys of the configuration are set with --set {each.text}"
        elif previous.option is not None and previous.option.multiple:
            option = previous.name
            remedy = f"give {option} before each value: {option} {previous.value} {option} {each.text}"
            if previous.option.name == "source":
                remedy += "; or put a pattern in quotes, such as 'corpus/*.gz'"
        elif "--config" in known and "path" not in given:
            remedy = f"name the configuration with --config {each.text}"
        elif "--input" in known and "source" not in given:
            remedy = f"give --input {each.text} to read it, --output {each.text} to write it"
        else:
            remedy = f"see {ctx.command_path} --help"
        raise click.UsageError(f"Got unexpected extra argument ({each.text}); {remedy}", ctx)
