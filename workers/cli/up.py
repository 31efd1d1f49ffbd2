"""`packyard up`: everything on one machine, in the foreground."""

from pathlib import Path

import click

from workers.runtime.signals import run_process


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=True, path_type=Path),
    default=Path(".packyard"),
    show_default=True,
    help="Where everything is kept between runs.",
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="The port of the API; 0 takes a free one.  [default: 8080]"
)
@click.option("--demo/--no-demo", default=True, help="Whether an empty instance is filled with a small directory.")
@click.option(
    "--demo-files",
    type=click.Path(path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="A folder of wheels and source archives that are published in an empty instance.",
)
@click.pass_obj
def up(env_file: dict[str, str] | None, data_dir: Path, port: int | None, demo_files: Path, *, demo: bool) -> None:
    """Run PostgreSQL, RabbitMQ and all of Packyard on this machine until Ctrl-C.

    A server that PACKYARD_DATABASE_URL or PACKYARD_BROKER_URL names is used and not started.
    """
    from workers.stack.files import own_folder  # other commands start without the stack
    from workers.stack.session import StackSession

    folder = data_dir.resolve()
    with own_folder(folder):
        session = StackSession(folder, port=port, defaults=env_file or {}, demo_files=demo_files if demo else None)
        run_process(session.run)
