"""The states of a job, and the meaning of HTCondor's events: pure functions on immutable values.

This package imports only the standard library, and uses no thread, clock, file or daemon. Any thread may call it. The
watcher and the follower of a DAG do.
"""
