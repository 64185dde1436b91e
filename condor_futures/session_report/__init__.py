"""The report of a session: one HTML page, made by ``condor-futures report`` in a process of its own.

``evidence`` reads the event logs and the headers of the outcomes, and runs no code of the user. ``job_histories``,
``occupancy``, ``distributions`` and ``data`` are pure: they make the numbers of the report. ``plots`` draws them with
matplotlib, and ``page`` writes the HTML.
"""
