"""`python -m runfolio` is the command `runfolio`."""

from runfolio.cli import main

main()
