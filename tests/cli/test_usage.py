"""Mistakes on the command line: repeated, misspelt and unknown options, and what the message suggests."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from nmt.cli import suggestions
from nmt.cli.main import cli
from nmt.cli.strict_parsing import Command, Group
from nmt.reports.config_reference import keys


def commands(group: click.Group, name: str = "nmt") -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its name, including those of nested groups."""
    yield name, group
    context = click.Context(group)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {each}")
        else:
            yield f"{name} {each}", command


COMMANDS = dict(commands(cli))
OPTIONS = [
    pytest.param(command, option, id=f"{name} {option.opts[0]}")
    for name, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option) and not option.is_eager
]
every_option = pytest.mark.parametrize(("command", "option"), OPTIONS)


def parse_error(command: click.Command, *arguments: str) -> str:
    """Return the message of the error that parsing raises, or an empty string."""
    try:
        command.make_context("nmt", list(arguments))
    except click.UsageError as error:
        assert error.exit_code == 2
        return error.format_message()
    except click.ClickException as error:  # an invalid value
        return error.format_message()
    return ""


def usage_error(line: str) -> str:
    """Return what `nmt LINE` prints on stderr; it must exit with status 2."""
    done = CliRunner().invoke(cli, shlex.split(line), prog_name="nmt")
    assert (done.exit_code, done.stdout) == (2, "")
    return done.stderr


def test_every_command_checks_its_options() -> None:
    assert len(COMMANDS) > 10
    for name, command in COMMANDS.items():
        assert isinstance(command, Group if isinstance(command, click.Group) else Command), name


@every_option
def test_an_option_with_one_value_cannot_be_repeated(command: click.Command, option: click.Option) -> None:
    """In any spelling."""
    for first in option.opts:
        for second in option.opts:
            is_short = len(second) == 2
            lines = [[first, "1", second, "2"], [first, "1", f"{second}2" if is_short else f"{second}=2"]]
            for line in [[first, second]] if option.is_flag else lines:
                is_rejected = "may be given once, and has the values '1' and '2'" in parse_error(command, *line)
                assert is_rejected == (not option.multiple and not option.is_flag and not option.count), line
        for second in option.secondary_opts:
            assert f"{first} and {second} contradict each other" in parse_error(command, first, second)
            assert f"{second} and {first} contradict each other" in parse_error(command, second, first)


@every_option
def test_a_long_option_with_one_dash_is_rejected(command: click.Command, option: click.Option) -> None:
    for name in [each for each in (*option.opts, *option.secondary_opts) if each.startswith("--")]:
        low = name[2:].replace("-", "_")
        for written in {name[1:], f"-{low}", f"--{low}"} - {name}:
            for line in ([written, "x"], [f"{written}=x"]):
                assert parse_error(command, *line).endswith(f" {name}"), line


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("translate -b3 -qb 5", "--beam-size may be given once, and has the values '3' and '5'"),
        ("logprob -s a -q --source=b -s c", "the values 'a' and 'b' and 'c'; choose one"),
        ("train -c a --set seed=1 --set seed=2", "--set seed=2 undoes --set seed=1; leave one of them out"),
        ("train -c a --set model.encoder.size=1 --set 'model={}'", "undoes --set model.encoder.size=1"),
        ("config check -c a --set data.train.tag=x --set data.train.0.tag=y", "undoes --set data.train.tag=x"),
        ("preprocess -c a --set seed=1 --set seed=2", "undoes"),
    ],
)
def test_repeated_options_are_named_with_their_values(line: str, message: str) -> None:
    assert message in usage_error(line)


@pytest.mark.parametrize(
    "line",
    [
        "-q --quiet",
        "--greedy --greedy",
        "-m a -m b",
        "--prefix -i -i b",
        "--prefix=--input -i b",
        "-qi a -b 3",
        "-o - -i -",
    ],
)
def test_options_that_may_be_repeated_are_accepted(line: str) -> None:
    assert parse_error(COMMANDS["nmt translate"], *shlex.split(line)) == ""


@pytest.mark.parametrize("line", ["--set seed=1 --set seed=1", "--set 'model={}' --set model.encoder.size=3"])
def test_overrides_that_agree_are_accepted(line: str) -> None:
    assert parse_error(COMMANDS["nmt train"], "-c", "a", *shlex.split(line)) == ""


def test_help_is_shown_despite_mistakes() -> None:
    done = CliRunner().invoke(cli, ["translate", "-b", "3", "-b", "4", "--help"])
    assert done.exit_code == 0 and "Usage" in done.stdout


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train -config x", "No such option '-config'; an option of several letters has two dashes: --config"),
        ("train -confg x.yaml", "name the configuration with --config x.yaml"),
        ("translate -bean-size 5", "it is read as -b ean-size; did you mean --beam-size?"),
        ("translate --beam_size 5", "it is written --beam-size"),
        ("train -c a --max_steps 5", "it is a key of the configuration: --set training.max_steps=5"),
        ("train -c a --max-steps=5", "it is a key of the configuration: --set training.max_steps=5"),
        ("train -c a -max_steps 5", "it is a key of the configuration: --set training.max_steps=5"),
        ("train -c a --training.max_steps 5", "--set training.max_steps=5"),
        ("train -c a --training.max_steps", "--set training.max_steps=VALUE"),
        ("train -c a --training.max_step 5", "did you mean --set training.max_steps=5?"),
        ("train -c a --max_step 5", "did you mean --set training.max_steps=5?"),
        ("train -c a --data.train.source 'a b'", "--set 'data.train.0.source=a b'"),
        ("train -c a --layers 2", "--set model.encoder.layers=2 or --set model.decoder.layers=2"),
        ("train -c a --dropout 0.1", "'nmt config keys model.dropout' lists its keys"),
        ("train -c a --reusme", "did you mean --resume?"),
        ("train -c a -train_steps 9", "use --set training.max_steps=N"),
        ("preprocess -c a --vocab_size 9", "--set subword.vocab_size=9"),
        ("config show -c a --seed 9", "--set seed=9"),
        ("train a.yaml", "name the configuration with --config a.yaml"),
        ("train -c a training.max_steps=5", "set with --set training.max_steps=5"),
        ("translate a.txt", "give --input a.txt to read it, --output a.txt to write it"),
        ("translate -m a b", "give -m before each value: -m a -m b"),
        ("translate -i a b", "give -i before each value: -i a -i b; or put a pattern in quotes, such as 'corpus/*.gz'"),
        ("translate -src a", "use --input"),
        ("logprob -src a", "use --source"),
        ("translate -gpu 0", "use --device cuda"),
        ("train -c a -gpu 0", "use --set training.device=cuda"),
        ("translate --nbest 3", "use --n-best"),
        ("translate --lenpen 3", "use --alpha"),
        ("translate --nonsense-of-mine", "see nmt translate --help"),
        ("trian", "No such command 'trian'; did you mean 'nmt train'?"),
        ("tranlsate", "did you mean 'nmt translate'?"),
        ("build_vocab", "did you mean 'nmt preprocess'?"),
        ("help", "did you mean 'nmt --help'?"),
        ("zzz", "there are: init, preprocess, train, tune, augment, distill, average, translate"),
        ("config chek", "did you mean 'nmt config check'?"),
    ],
)
def test_mistakes_are_reported_with_a_remedy(line: str, message: str) -> None:
    assert message in usage_error(line)


def test_suggestions_name_existing_options_keys_and_commands() -> None:
    options = {name for command in COMMANDS.values() for param in command.params for name in param.opts}
    known = {key.name for key in keys()}
    for name, texts in suggestions.OPTIONS.items():
        assert name == suggestions.normalize(f"--{name}") and f"--{name}" not in options
        for text in texts:
            assert set(re.findall(r"--[a-z-]+", text)) <= options, text
            assert {match[1] for match in re.finditer(r"([a-z_.]+)=", text)} <= known, text
    assert set(suggestions.COMMANDS.values()) <= {name.removeprefix("nmt ") for name in COMMANDS}
