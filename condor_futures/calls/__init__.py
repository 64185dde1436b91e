"""A call as bytes: the files that are sent to the execution point, and those that the job sends back.

The user's threads write calls, and the resolver's thread reads outcomes. This package touches only the files of
bundles, and never talks to HTCondor.
"""
