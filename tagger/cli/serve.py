"""`tagger serve`."""

from tagger.cli import options
from tagger.cli.output import Console


def serve(
    folders: options.Folders = None,
    yes: options.Yes = False,
    catalog: options.Catalog = None,
    config: options.Config = None,
) -> None:
    """Scan the folders, then watch them: listen to new music and write its tags, until stopped.

    Folders that are named replace the configured roots for this run. The first time, on a terminal,
    it shows what it would write and asks; --yes leaves the question out.

    \b
    Examples:
      tagger serve ~/Music
      tagger serve --yes
    """
    settings = options.load(catalog, config)
    roots = options.existing_folders(folders, settings)
    from tagger.daemon import service

    service.serve(settings, roots, Console(), yes=yes)
