"""A module of the user that a job can send back by value."""

KILO = 1000
