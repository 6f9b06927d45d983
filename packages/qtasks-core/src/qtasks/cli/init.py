"""`qtasks init`: a first application to begin with; its files are in `template/`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
def init() -> None:
    """Write app.py and README.md, a small working application, into this directory; nothing is overwritten."""
    template = Path(__file__).with_name("template")
    files = {name: (template / f"{name}.txt").read_text(encoding="utf-8") for name in ("app.py", "README.md")}
    if existing := [name for name in files if Path(name).exists()]:
        raise click.ClickException(
            f"There is {' and '.join(existing)} here already, and nothing is overwritten.\n"
            "Begin in an empty directory: mkdir first-app && cd first-app && qtasks init"
        )
    try:
        for name, text in files.items():
            Path(name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(error.filename, error.strerror) from error
    _, _, steps = files["README.md"].partition("\n\n")
    click.echo(f"Wrote {' and '.join(files)}. {steps}", nl=False)
