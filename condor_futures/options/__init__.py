"""The options of an executor, checked and converted to a form that a session can keep.

This package runs in the user's threads, before anything is submitted. It starts no thread. It raises the error for
every bad option.
"""
