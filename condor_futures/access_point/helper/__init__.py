"""The helper process: only this process communicates with the schedd, the collector and the credd.

HTCondor's bindings hold the GIL from the start of a call to its end (25.14), so this package calls them in a separate
process. The process reads requests from standard input, writes answers to standard output, and exits when its input
ends. It has one thread, which owns all objects.
"""
