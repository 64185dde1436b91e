"""HTCondor's submit language: commands, values, expressions, submit files, and the description of our jobs.

The only side effects of this package are checks whether files exist. It runs in the user's threads, which reject bad
commands, and in the watcher's thread, which makes the submit descriptions.
"""
