"""The executor: these lines run in the threads of the user's program.

They check what the user passes, pickle calls, write them to the session directory, and hand bundles to the watcher.
They never wait for the schedd, except where the user asked for an answer (``jobs()``, ``shutdown()``, the constructor).
"""
