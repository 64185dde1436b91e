"""The executor. Its code runs in the threads of the user's program.

It checks the user's arguments, pickles calls, writes them to the session directory, and hands bundles to the watcher.
It waits for the schedd only when the user asks for an answer (``jobs()``, ``shutdown()``, the constructor).
"""
