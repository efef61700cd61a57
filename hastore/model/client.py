"""Clients of the storage: iSCSI initiators and where they log in."""

from __future__ import annotations

from hastore.model.secrets import Secret
from hastore.model.values import NO_PARAMS, Params, as_params, field, value


@value
class Login:
    """A target a client uses, through which portals (`ip` or `ip:port`)."""

    target: str
    portals: tuple[str, ...]


@value
class Initiator:
    """A client machine: its host name, its iSCSI name, and its logins.

    Without `iqn` the one that the machine has is used as it is.
    """

    host: str
    iqn: str = ""
    logins: tuple[Login, ...] = ()
    chap_user: str = ""
    chap_secret: Secret | None = None
    settings: Params = field(default=NO_PARAMS, converter=as_params)
    """open-iscsi's node settings, such as `node.session.timeo.replacement_timeout`."""
