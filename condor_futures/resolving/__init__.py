"""The resolver's thread: it reads outcomes, unpickles them, and resolves the futures.

Unpickling and done callbacks run the user's code, which may take any time; so this thread is apart from the watcher's.
Every error that a call can fail with is made here.
"""
