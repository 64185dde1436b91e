"""The access point as the client sees it: typed requests that the helper process carries out.

These lines run in the client: the caller's thread encodes a request, a writer thread sends it, and a reader thread
delivers the answer. None of them imports the bindings' Schedd or Collector.
"""
