"""The session directory: the files that one executor keeps on disk, and the names of all of them.

Any thread of the client may call these lines. They touch the session directory and nothing else; a lock on a file says
which process works on the session.
"""
