"""Files that only the user may read, and locks on files.

Any thread may call these lines. They know nothing of sessions, jobs or HTCondor.
"""
