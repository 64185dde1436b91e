"""What became of the calls of a session whose client left.

These lines run in the thread that attaches, before the watcher starts. ``evidence`` reads files and the event log,
``history`` asks the schedd, and ``verdicts`` decides, from that evidence alone.
"""
