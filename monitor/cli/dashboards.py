"""`muster dashboards export|push`: Grafana's dashboards, as files or into a Grafana."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from inventory.secrets import SecretMissing, Secrets
from monitor.cli.common import CONFIG_ERROR, fail
from monitor.dashboards import push as pushing
from monitor.dashboards import shipped
from monitor.dashboards.model import Source

SECRET = "grafana"  # noqa: S105 - the name it is looked up by

app = typer.Typer(help="Grafana's dashboards.", no_args_is_help=True)
SourceOption = Annotated[
    Source,
    typer.Option(
        "--datasource",
        help="What Grafana asks: Prometheus, a VictoriaMetrics that Muster writes to, or InfluxDB 2.",
    ),
]
MusterOption = Annotated[
    str, typer.Option("--muster", help="The address of Muster's own pages, for links.", show_default=False)
]


@app.command()
def export(
    source: SourceOption = Source.PROMETHEUS,
    output: Annotated[Path, typer.Option("-o", "--output", help="A directory.")] = Path("muster-dashboards"),
    muster: MusterOption = "",
) -> None:
    """Write the dashboards (and rules in PromQL) into a directory."""
    try:
        written = shipped.export(output, source, muster)
    except OSError as error:
        fail(f"-o {output}: {error.strerror}", CONFIG_ERROR, "write the name of another directory")
    for path in written:
        typer.echo(path)


@app.command()
def push(
    url: Annotated[str, typer.Argument(help="Grafana's address, such as https://grafana.example.")],
    source: SourceOption = Source.PROMETHEUS,
    folder: Annotated[str, typer.Option("--folder", help="The folder's title.")] = "Muster",
    token_file: Annotated[
        Path | None, typer.Option("--token-file", help="A file that holds the token.", show_default=False)
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option("--ca", help="Certificates to trust instead of the system's.", show_default=False),
    ] = None,
    muster: MusterOption = "",
) -> None:
    """Put the dashboards into a Grafana; what is there already as it should be stays as it is.

    The token is the secret `grafana`: of systemd's credentials, or MUSTER_SECRET_GRAFANA, or in --token-file.
    """
    if not url.startswith(("http://", "https://")):
        fail(f"{url} is no address", CONFIG_ERROR, "write it with http:// or https://")
    token, boards = _token(token_file), shipped.dashboards(source, muster)
    try:
        found = asyncio.run(pushing.push(url, token, boards, folder, ca))
    except pushing.Refused as error:
        fail(str(error).replace(token, "***"), 1)
    for what in ("made", "changed", "same"):
        for title in getattr(found, what):
            typer.echo(f"{what:8} {title}")


def _token(file: Path | None) -> str:
    try:
        found = file.read_text("utf-8") if file else Secrets().get(SECRET)
    except OSError as error:
        fail(f"--token-file {file}: {error.strerror}", CONFIG_ERROR)
    except SecretMissing as error:
        fail(str(error), CONFIG_ERROR, "set MUSTER_SECRET_GRAFANA, or give --token-file")
    token = found.strip()
    if not token or not token.isprintable() or not token.isascii():
        fail("the token is empty, or not one line of plain letters", CONFIG_ERROR)
    return token
