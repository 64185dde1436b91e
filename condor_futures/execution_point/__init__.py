"""The job. These modules are sent to the execution point and run there, except ``packing``.

They import only each other, the standard library, and the client's cloudpickle, which is sent with them. They use the
syntax of Python 3.6. ``packing`` runs in the client, and packs the other modules into the jobs' executable.
"""
