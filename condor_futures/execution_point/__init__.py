"""The job: these lines travel to the execution point and run there.

They import nothing of the package outside this folder, and nothing but the standard library and the client's own
cloudpickle, which travels along; their syntax is Python 3.6's. ``packing``, the exception, runs in the client and packs
the others into the jobs' executable.
"""
