"""`python -m tagger.cli` is the `tagger` command."""

from tagger.cli.main import main

main()
