"""The scheduled job: `rotator run`. Arguments are added to it, its exit code is that of the job."""

import sys

from rotator.cli.verbs import main

sys.argv = ["rotator", "run", *sys.argv[1:]]
main()
