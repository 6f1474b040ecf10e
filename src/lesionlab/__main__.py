"""`python -m lesionlab` is the command `lesionlab`."""

from lesionlab.cli import main

main()
