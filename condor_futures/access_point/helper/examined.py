"""The answers to examinations of an access point."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["Examined", "Offer"]


class Examined(TypedDict):
    """The access point as this user and these bindings see it, in the order of the checks.

    A check that failed leaves HTCondor's error in the field *no_...* beside it, which is otherwise empty. Later fields
    are then empty too.

    *bindings* is the version of the bindings. *configuration* is the file of the configuration, if the environment
    names one. *methods* are the authentication methods that the client offers, and *tokens* the number of files in its
    directory of tokens. *collector* is the collector's address, as configured. *schedd* has the name, the machine, the
    address and the version of the schedd; *here* tells whether it is the one that is configured on this machine. *user*
    is the user that the schedd sees, *method* the authentication method that it accepted, and *encrypted* tells whether
    the connection is encrypted. *producer* is the site's program that makes credentials for jobs. *ticket* is the
    output of klist, and *no_ticket* why the ticket is not valid. *credd* is the address of the condor_credd, if the
    site has a *producer*.
    """

    bindings: str
    configuration: str
    methods: str
    tokens: int
    collector: str
    no_collector: str
    schedd: dict[str, str]
    no_schedd: str
    here: bool
    user: str
    method: str
    encrypted: bool
    no_permission: str
    producer: str
    ticket: str
    no_ticket: str
    credd: str
    no_credd: str


class Offer(TypedDict):
    """A kind of slot in the pool: *slots* of this kind, on this many *machines*.

    *cores*, *memory* in MiB, and *gpus* are those of each slot; a partitionable slot counts its dynamic slots too.
    *system* is the operating system, *gpu* the name of the GPU, if any, and *containers* tells whether jobs can run in
    containers.
    """

    slots: int
    machines: int
    cores: int
    memory: int
    gpus: int
    gpu: str
    system: str
    containers: bool
