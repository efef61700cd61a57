"""What a plan changes, as a diff of texts: the cluster's configuration and the files it writes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from hastore.formats import crmsh, drbd_conf, lvm_conf
from hastore.model.cib_edits import apply_edits
from hastore.model.drbd import DrbdResource
from hastore.model.pacemaker import Cib
from hastore.model.state import ClusterState, PacemakerState
from hastore.planning.evolve import drbd_on, lvm_on
from hastore.planning.steps import Step
from hastore.planning.steps_cluster import PatchCib
from hastore.planning.steps_drbd import WriteDrbdConfig
from hastore.planning.steps_lvm import ConfigureLvm


def diff(steps: Iterable[Step], state: ClusterState) -> str:
    """Return a unified diff of all that the steps change in configurations; secrets are asterisks."""
    return "".join(line for step in steps for line in _of_step(step, state))


def _of_step(step: Step, state: ClusterState) -> Iterator[str]:
    if isinstance(step, WriteDrbdConfig):
        found = drbd_on(state, step.host, step.resource.name).config
        before = drbd_conf.render_text(found) if isinstance(found, DrbdResource) else ""
        path = f"{step.host}:/etc/drbd.d/{step.resource.name}.res"
        yield from _unified(before, drbd_conf.render_text(step.resource), path)
    if isinstance(step, ConfigureLvm):
        text = lvm_on(state, step.host).config_text or ""
        yield from _unified(text, lvm_conf.edit(text, step.settings), f"{step.host}:/etc/lvm/lvm.conf")
    if isinstance(step, PatchCib):
        pacemaker = state.pacemaker()
        live = pacemaker.cib if isinstance(pacemaker, PacemakerState) else Cib()
        yield from _unified(crmsh.render(live), crmsh.render(apply_edits(live, step.edits)), "cib (as crm shows it)")


def _unified(before: str, after: str, name: str) -> Iterator[str]:
    yield from difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{name}", f"b/{name}"
    )
