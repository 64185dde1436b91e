"""The screen of ``condor-futures status --watch``, in the process of that command.

A thread collects a snapshot every two seconds (``collector``): the jobs in the queue, and what the files of their
sessions say of their calls (``job_files``). ``rows`` is pure: it makes the table and the details of a snapshot.
``screen`` shows them with textual (the extra ``watch``), in the main thread, and ``source`` is all that it asks and
does. Only short-lived threads of the screen wait for the access point or a disk.
"""
