"""`python -m rotator` is `rotator`."""

from rotator.cli.verbs import main

main()
