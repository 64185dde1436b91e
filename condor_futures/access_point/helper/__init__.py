"""The helper process: the only place that talks to schedd, collector and credd.

HTCondor's bindings hold the GIL from the start of a call to its end (25.14), so they are called in a process of their
own. It reads requests from standard input and writes answers to standard output, and exits when its input ends.
"""
