"""HTCondor's submit language: commands, values, expressions, submit files, and the description of our jobs.

These lines are pure but for looking at which files exist. They run in the user's threads, where a bad command is
refused, and in the watcher's thread, where a submit description is made.
"""
