"""`nmt serve`: translate for other programs over HTTP, and show a page to type into."""

from pathlib import Path
from typing import Any

import click

from nmt.cli import options
from nmt.cli.options import FILE
from nmt.cli.strict_parsing import Command


@click.command(cls=Command)
@click.option(
    "--model", "-m", "models", multiple=True, type=FILE, metavar="RUN",
    help="Run folder, checkpoint folder inside one, or exported folder; repeat it to serve several models. Default: "
    "$NMT_MODEL, else the newest finished run in runs/.",
)  # fmt: skip
@click.option("--checkpoint", help="best, last, step-N, averaged or another mean; default best.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=5000, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--api-keys", type=FILE, help="File with the API keys of those who may use the server, one per line.")
@click.option(
    "--rate", type=click.IntRange(0), default=0, show_default=True,
    help="Requests per minute of each API key, or of each address if there are no keys; 0 for no limit.",
)  # fmt: skip
@click.option(
    "--max-characters", type=click.IntRange(1, 10_000_000), default=50_000, show_default=True,
    help="Characters of a request.",
)  # fmt: skip
@click.option(
    "--max-lines", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, help="Lines of a request."
)
@click.option(
    "--max-queue", type=click.IntRange(1), default=20_000, show_default=True,
    help="Sentences that may wait; further requests get status 503.",
)  # fmt: skip
@click.option(
    "--max-beam", type=click.IntRange(1, 1000), default=16, show_default=True,
    help="Largest beam size and number of translations that a request may ask for.",
)  # fmt: skip
@click.option(
    "--timeout", type=options.Finite(0, is_open=True), default=60.0, show_default=True,
    help="Seconds after which a translation is given up.",
)  # fmt: skip
@click.option("--metrics", is_flag=True, help="Show figures for Prometheus at /metrics.")
@click.option(
    "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="Format of the log on standard error.",
)  # fmt: skip
@click.option("--log-text", is_flag=True, help="Show the texts of the requests in the log.")
@options.machine
def command(**given: Any) -> None:
    """Translate for other programs over HTTP, with the interface of LibreTranslate, and show a page in the browser.

    \b
    nmt serve --model runs/mine
    curl localhost:5000/translate -d q='A dog runs.' -d source=en -d target=de

    SIGTERM finishes the requests that have arrived; SIGHUP reloads the models. /docs describes the interface.
    """
    from nmt.serving.limits import Limits
    from nmt.serving.models import ModelLoader
    from nmt.serving.server import ServerSettings, serve

    models: tuple[Path, ...] = given["models"]
    limits = Limits(
        max_characters=given["max_characters"],
        max_lines=given["max_lines"],
        max_queue=given["max_queue"],
        max_beam=given["max_beam"],
        timeout=given["timeout"],
        rate=given["rate"],
    )
    settings = ServerSettings(
        host=given["host"],
        port=given["port"],
        api_keys=given["api_keys"],
        limits=limits,
        with_metrics=given["metrics"],
        log_format=given["log_format"],
        log_text=given["log_text"],
    )
    serve(ModelLoader(models, given["checkpoint"], given["engine"], given["device"], given["precision"]), settings)
