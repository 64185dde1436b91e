"""The watcher's thread, which follows the jobs of one session from submission to outcome.

Everything here runs in this thread and belongs to it. Other threads post functions to its inbox. The thread never waits
for the schedd (the helper process does), and never unpickles (the resolver's thread does).
"""
