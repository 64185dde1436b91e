"""Recovery of the calls of a session whose client left.

This package runs in the thread that attaches, before the watcher starts. ``evidence`` reads the files and the event
log, ``history`` queries the schedd, and ``verdicts`` decides from that evidence alone.
"""
