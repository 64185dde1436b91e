"""A module of the user, which is not installed and so travels by value with the calls that use it."""

import functools

GAIN = 2
state = {"offset": 0, "calibrations": 0}


class Hit:
    """A class that travels by value, to the job and back."""

    def __init__(self, channel, charge):
        self.channel = channel
        self.charge = charge

    @property
    def energy(self):
        return self.charge * GAIN + state["offset"]


class Track:
    """A class that travels to the job only: a job cannot pickle a cached_property, which has a lock in Python 3.11."""

    def __init__(self, hits):
        self.hits = hits

    @functools.cached_property
    def length(self):
        return len(self.hits)


def calibrate(offset):
    """Change, as an initializer, what the calls of the job see."""
    state["offset"] = offset
    state["calibrations"] += 1


@functools.lru_cache(maxsize=32)
def fibonacci(number):
    return number if number < 2 else fibonacci(number - 1) + fibonacci(number - 2)


@functools.singledispatch
def describe(thing):
    return f"thing {thing}"


@describe.register
def _(thing: int):
    return f"number {thing}"


@describe.register
def _(thing: Hit):
    return f"hit of channel {thing.channel}"
