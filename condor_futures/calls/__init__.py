"""A call as bytes: what goes to the execution point, and what comes back.

These lines run in the user's threads, which write calls, and in the resolver's thread, which reads outcomes. They touch
the files of a bundle and nothing else, and never talk to HTCondor.
"""
