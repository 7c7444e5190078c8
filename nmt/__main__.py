"""`python -m nmt`."""

from nmt.cli.main import main

main()
