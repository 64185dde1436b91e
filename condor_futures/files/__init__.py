"""Files that only the user may read, and locks on files.

Any thread may call this package. It does not depend on sessions, jobs or HTCondor.
"""
