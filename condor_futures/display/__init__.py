"""What a user sees of an executor's calls while they run: a line in a terminal, or an output in a notebook.

A thread of its own asks for the counts of calls four times a second, and draws them. The streams that stand in for
``sys.stdout`` and ``sys.stderr`` meanwhile run in whatever thread prints.
"""
