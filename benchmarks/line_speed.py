"""A job that writes a file of the access point through Chirp in pieces of 1 MB, and prints when it began and ended.

Arguments: the file, the megabytes, and the directory of the module ``line``.
"""

import json
import sys
import time

path, megabytes, directory = sys.argv[1:]
sys.path.insert(0, directory)
import line  # noqa: E402

connection = line.Line()
piece = bytes(1 << 20)
descriptor = connection.open(path, "wct")
began = time.time()
for number in range(int(megabytes)):
    assert connection.write(descriptor, piece, number << 20) == len(piece)
print(json.dumps([began, time.time()]))
