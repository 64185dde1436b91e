"""The session directory: the files that one executor keeps on disk, and their names.

Any thread of the client may call this package. It touches only the session directory. A lock on a file tells which
process holds the session.
"""
