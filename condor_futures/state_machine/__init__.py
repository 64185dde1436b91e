"""The states of a job and what HTCondor's events mean: pure functions on immutable values.

These lines import nothing but the standard library, and touch no thread, clock, file or daemon. Any thread may call
them; the watcher and the follower of a DAG do.
"""
