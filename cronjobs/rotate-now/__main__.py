"""The job that people make: `rotator rotate`. Which rotations, and why, come by environment or as arguments."""

import sys

from rotator.cli.verbs import main

sys.argv = ["rotator", "rotate", *sys.argv[1:]]
main()
