"""Clients of the storage: iSCSI initiators and where they log in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hastore.model.secrets import Secret
from hastore.model.values import NO_PARAMS, Params, as_params, field, value

AUTHMETHOD: Final = "node.session.auth.authmethod"
USERNAME: Final = "node.session.auth.username"
PASSWORD: Final = "node.session.auth.password"  # noqa: S105  # the name of a setting, no password
USERNAME_IN: Final = "node.session.auth.username_in"
PASSWORD_IN: Final = "node.session.auth.password_in"  # noqa: S105  # the same
_SAID_OTHERWISE: Final = {
    "node.startup": "a login is made again at each boot",
    AUTHMETHOD: "chap_user and chap_secret say it",
    USERNAME: "give chap_user",
    PASSWORD: "give chap_secret, a Secret",
    USERNAME_IN: "mutual CHAP is not supported",
    PASSWORD_IN: "mutual CHAP is not supported",
}
"""Settings that are not given as such, and why."""


@value
class Login:
    """A target a client uses, through which portals (`ip` or `ip:port`)."""

    target: str
    portals: tuple[str, ...]


@value
class Initiator:
    """A client machine: its host name, its iSCSI name, its logins, and how it makes them.

    Without `iqn` the one that the machine has is used as it is. `chap_user` and `chap_secret` belong together.
    """

    host: str
    iqn: str = ""
    logins: tuple[Login, ...] = ()
    chap_user: str = ""
    chap_secret: Secret | None = None
    settings: Params = field(default=NO_PARAMS, converter=as_params)
    """open-iscsi's node settings, such as `node.session.timeo.replacement_timeout`."""

    def mistakes(self) -> Iterator[str]:
        """Yield what no node record can or may be given, each as a sentence that never shows a secret."""
        if bool(self.chap_user) != (self.chap_secret is not None):
            yield "chap_user and chap_secret belong together: give both or neither"
        for name, why in _SAID_OTHERWISE.items():
            if name in self.settings:
                yield f"{name} is none of its settings: {why}"
        for name, text in {"chap_user": self.chap_user, **self.settings}.items():
            if text != text.strip() or not text.isprintable():
                yield f"{name} begins or ends with a blank or is not printable, which no record keeps"
