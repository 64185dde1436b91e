"""What the user asks for: each option of an executor, checked and put into a form that a session can keep.

These lines run in the user's threads, before anything is submitted. They start no thread, and raise the error for every
bad option.
"""
