"""Command-line options that several commands share: --config, --set, --model, --tag, --device, --precision, --quiet."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


class Finite(click.FloatRange):
    """A finite float from `low` to `high`, without `low` itself if `is_open`."""

    def __init__(self, low: float, high: float = 1_000_000, is_open: bool = False) -> None:
        super().__init__(low, high, min_open=is_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See `click.ParamType.convert`."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


FILE = click.Path(path_type=Path)


def combine_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Return a decorator that adds several `options`; the help lists them in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _set_once(ctx: click.Context, param: click.Parameter, overrides: tuple[str, ...]) -> tuple[str, ...]:
    """Raise `click.UsageError` if one of the overrides KEY=VALUE replaces an earlier one."""
    earlier: list[tuple[str, str]] = []
    for override in overrides:
        key = override.partition("=")[0].replace("data.train.0.", "data.train.")
        for other, text in earlier:
            if f"{other}.".startswith(f"{key}.") and text != override:
                raise click.UsageError(f"--set {override} undoes --set {text}; leave one of them out", ctx)
        earlier.append((key, override))
    return overrides


def config_file(help_text: str = "YAML file of the run.", is_required: bool = True) -> Callable[[Command], Command]:
    """Return the decorator that adds `--config`."""
    return click.option("-c", "--config", "path", type=FILE, required=is_required, help=help_text)


def overrides(example: str) -> Callable[[Command], Command]:
    """Return the decorator that adds `--set`, with an `example` in its help."""
    return click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", callback=_set_once,
        help=f"Override a key, e.g. {example}; each key once.",
    )  # fmt: skip


model = combine_options(
    click.option(
        "--model", "-m", "models", type=FILE, multiple=True, metavar="RUN",
        help="Run folder, a checkpoint folder inside one, or an exported folder; several form an ensemble. Default: "
        "$NMT_MODEL, else the newest finished run in runs/.",
    ),
    click.option("--checkpoint", help="best, last, step-N, averaged or another mean; default best."),
)  # fmt: skip

tag = click.option(
    "--tag",
    default="",
    help="Put this tag before each line that has none, e.g. <2de>; a model with several target languages needs one.",
)


def flag(name: str) -> str:
    """Return how the option with a parameter `name` is written on the command line."""
    return f"--{name.replace('_', '-')}"


def written(context: click.Context) -> list[str]:
    """Return the options of the command line, as a command that is to be repeated has them."""
    words: list[str] = []
    for parameter in context.command.params:
        value: Any = context.params.get(parameter.name or "")
        source = context.get_parameter_source(parameter.name or "")
        if not isinstance(parameter, click.Option) or source != click.core.ParameterSource.COMMANDLINE:
            continue
        if parameter.is_flag:
            words.append((parameter.opts if value else parameter.secondary_opts)[0])
            continue
        for each in value if parameter.multiple else [value]:
            words += [parameter.opts[0], str(each)]
    return words


def exclude(given: dict[str, Any], one: str, other: str) -> None:
    """Raise `click.UsageError` if both of two options are given that exclude each other."""
    if given.get(one) not in (None, False) and given.get(other) not in (None, False):
        raise click.UsageError(f"{flag(one)} and {flag(other)} exclude each other; give one")


class DeviceName(click.ParamType):  # type: ignore[type-arg]  # generic only in newer versions of click
    """The name of a device."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name. Fail if it is none."""
        from nmt.engine import DEVICE, DEVICES  # loads numpy

        if not DEVICE.fullmatch(str(value)):
            self.fail(f"{value!r} is no device; use {DEVICES}", param, ctx)
        return str(value)


ray = click.option(
    "--ray", is_flag=False, flag_value="", metavar="[ADDRESS]",
    help="Share the work between the nodes of the Ray cluster at ADDRESS, auto or HOST:PORT. Without ADDRESS: the "
    "cluster of $RAY_ADDRESS, else processes of this machine. The result is the same as without --ray.",
)  # fmt: skip


machine = combine_options(
    click.option(
        "--engine", type=click.Choice(["auto", "onnx", "torch"]), default="auto", show_default=True,
        help="Library for the computation: onnx is ONNX Runtime on the CPU, which starts faster; torch also uses a "
        "GPU. auto is torch if there is a GPU, else onnx.",
    ),
    click.option(
        "--device", type=DeviceName(), default="auto", show_default=True,
        help="auto, cpu, cuda, cuda:N (the GPU of that number) or mps (Apple).",
    ),
    click.option(
        "--precision", type=click.Choice(["auto", "fp32", "bf16", "int8"]), default="auto", show_default=True,
        help="Precision of matrix products; auto is int8 on a CPU, and bf16 on a GPU that supports it.",
    ),
)  # fmt: skip

quiet = click.option("--quiet", "-q", is_flag=True, help="Print only errors on stderr.")
