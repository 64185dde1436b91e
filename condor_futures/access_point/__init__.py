"""The client's side of the access point: typed requests that the helper process carries out.

This code runs in the client: the caller's thread encodes a request, a writer thread sends the request, and a reader
thread delivers the answer. No module here imports the bindings' Schedd or Collector.
"""
