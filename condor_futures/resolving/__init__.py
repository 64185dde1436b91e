"""The resolver thread: it reads outcomes, unpickles them, and resolves the futures.

Unpickling and done callbacks run the user's code, which may take any time; so this thread is separate from the
watcher's. All errors that a call can fail with are made here.
"""
