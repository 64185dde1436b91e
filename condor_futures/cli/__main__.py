"""``python -m condor_futures.cli``."""

from condor_futures.cli import main

main()
