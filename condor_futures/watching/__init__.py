"""The watcher's thread: it follows the jobs of one session from submission to outcome.

Everything here runs in that one thread and belongs to it; other threads post functions to its inbox. It never waits for
the schedd, which the helper process does, and never unpickles, which the resolver's thread does.
"""
