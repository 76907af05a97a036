"""A Typer program with as many commands as tagger, which only opens the catalog through SQLAlchemy: the yardstick."""

import sys

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _open() -> None:
    from sqlalchemy import create_engine, text

    with create_engine(f"sqlite:///file:{sys.argv[-1]}?mode=ro&uri=true").connect() as connection:
        connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()


@app.command()
def query(catalog: str = "") -> None:
    """Opens the catalog."""
    _open()


for name in ("serve", "scan", "explain", "status", "undo", "write", "config-show", "config-init", "model-show"):

    @app.command(name)
    def other(catalog: str = "") -> None:
        """Nothing."""


if __name__ == "__main__":
    app()
