"""Seeded bugs: each is one mistake that somebody could make tomorrow, and a law has to catch it.

A bug patches hastore or its simulator for as long as its law is tried. `law` names the trial that catches it
(tests/laws/test_seeded_bugs.py), and docs/laws.md lists them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import attrs
import pytest
from worlds import CANARY

from hastore.drivers import drbd_84, lvm_lvm2, pacemaker_cib, scst_sysfs
from hastore.drivers.base import DONE
from hastore.drivers.client_open_iscsi import OpenIscsiDriver
from hastore.execution import apply as execution
from hastore.formats import drbd_status, scst_tree
from hastore.hosts import operations
from hastore.hosts.operations import Expect, Run
from hastore.model.state import ClusterState
from hastore.planning import compare, planner, settle
from hastore.planning.steps import Layer
from hastore.planning.steps_client import Login
from hastore.planning.steps_cluster import AwaitCluster
from hastore.planning.steps_drbd import CreateDrbdMetadata, DrbdDown, DrbdPrimary, InitialPrimary
from hastore.planning.steps_lvm import DeactivateVg
from hastore.planning.steps_scst import AddIncomingUser, AddInitiator, AddLun, EnableTarget
from hastore.sim import drbd_state
from hastore.sim.drbd import Drbd
from hastore.sim.network import Network
from hastore.sim.scst_devices import Device

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Bug:
    """One seeded bug."""

    name: str
    room: str
    says: str
    """One sentence: what is wrong."""
    law: str
    """Name of the trial that catches it."""
    plant: Plant


BUGS: list[Bug] = []


def bug(room: str, says: str, law: str) -> Callable[[Plant], Plant]:
    """Enter a bug, named as its function is."""

    def enter(plant: Plant) -> Plant:
        BUGS.append(Bug(plant.__name__, room, says, law, plant))
        return plant

    return enter


def _without_guards(render: Callable[..., Any]) -> Callable[..., Any]:
    def bare(self: Any, step: Any, state: ClusterState) -> Any:
        return tuple(op for op in render(self, step, state) if not isinstance(op, Expect))

    return bare


# -- drivers ------------------------------------------------------------------------------------------


@bug("drivers", "drbd+8.4 writes metadata without asking whether the disk is blank", "a disk filled meanwhile")
def create_md_without_guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drbd_84.Drbd84Driver, "render", _without_guards(drbd_84.Drbd84Driver.render))


@bug("drivers", "lvm+lvm2 makes a physical volume of a device that is not blank", "a device filled meanwhile")
def pvcreate_without_guard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lvm_lvm2.Lvm2Driver, "render", _without_guards(lvm_lvm2.Lvm2Driver.render))


@bug("drivers", "drbd+8.4 does not see that metadata is there already", "stopped and planned again")
def metadata_never_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drbd_84, "_has_metadata", lambda _answer: False)


@bug("drivers", "drbd+8.4 calls every disk UpToDate, synchronised or not", "the article's journey")
def sync_never_awaited(patch: pytest.MonkeyPatch) -> None:
    original = drbd_status.with_progress

    def hopeful(resource: Any, kernel: Any) -> Any:
        seen = original(resource, kernel)
        volumes = tuple(attrs.evolve(v, disk="UpToDate", peer_disk="UpToDate") for v in seen.volumes)
        return attrs.evolve(seen, volumes=volumes)

    patch.setattr(drbd_status, "with_progress", hopeful)


@bug("drivers", "scst+sysfs takes the [key] mark for a part of the answer", "one host")
def mark_not_taken_off(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scst_tree, "split_mark", lambda text: (text.rstrip("\n"), False))


@bug("drivers", "scst+sysfs shows every LUN to everybody instead of to its group", "one host")
def luns_past_their_group(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(scst_sysfs, "_luns", lambda iqn, _group: f"/sys/kernel/scst_tgt/targets/iscsi/{iqn}/luns")


@bug("drivers", "pacemaker+cib takes every refusal of cibadmin for done", "somebody else changes the CIB")
def refusals_taken_for_done(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pacemaker_cib.PacemakerCibDriver, "judge", lambda _self, _step, _outcomes: DONE)


@bug("drivers", "client+open-iscsi logs in now and not at boot", "one host")
def login_not_kept(patch: pytest.MonkeyPatch) -> None:
    original = OpenIscsiDriver.render

    def forgetful(self: Any, step: Any, state: ClusterState) -> Any:
        operations = original(self, step, state)
        return operations[-1:] if isinstance(step, Login) else operations

    patch.setattr(OpenIscsiDriver, "render", forgetful)


@bug("drivers", "scst+sysfs puts a CHAP secret into a command's environment", "secrets")
def secret_in_an_environment(patch: pytest.MonkeyPatch) -> None:
    original = scst_sysfs.ScstSysfsDriver.render

    def talkative(self: Any, step: Any, state: ClusterState) -> Any:
        operations = original(self, step, state)
        if isinstance(step, AddIncomingUser):
            return (*operations, Run(("ip", "-j", "addr"), env={"CHAP": step.user.secret.reference[0]}, reads=True))
        return operations

    patch.setattr(scst_sysfs.ScstSysfsDriver, "render", talkative)


# -- planning -----------------------------------------------------------------------------------------


@bug("planning", "a target is enabled before its LUNs and initiators are there", "one host")
def enabled_too_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(EnableTarget, "layer", Layer.SCST_GROUP)
    patch.setattr(EnableTarget, "requires", lambda _self, _state: "")


@bug("planning", "the volume group is not deactivated before DRBD is demoted", "the article's journey")
def never_deactivated(patch: pytest.MonkeyPatch) -> None:
    original = compare._lvm_steps

    def forgetful(*args: Any) -> Any:
        return (step for step in original(*args) if not isinstance(step, DeactivateVg))

    patch.setattr(compare, "_lvm_steps", forgetful)


@bug("planning", "the edges between steps of different objects are left out", "the article's journey")
def edges_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(planner._Trail, "first_wave", lambda _self, _step, _batch: 0)


@bug("planning", "the second LUN of a target is forgotten", "one host")
def second_lun_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = compare._target_parts

    def forgetful(*args: Any) -> Any:
        return (step for step in original(*args) if not (isinstance(step, AddLun) and step.lun.number == 1))

    patch.setattr(compare, "_target_parts", forgetful)


@bug("planning", "adding an initiator foretells nothing", "agreement on one host")
def initiator_without_effect(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AddInitiator, "effect", lambda _self, state: state)


@bug("planning", "taking DRBD down foretells that it stays up", "agreement in a cluster")
def down_without_effect(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DrbdDown, "effect", lambda _self, state: state)


@bug("planning", "the first promotion is planned and done though good data is there", "stopped and planned again")
def first_promotion_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(CreateDrbdMetadata, "requires", lambda _self, _state: "")
    patch.setattr(InitialPrimary, "requires", lambda _self, _state: "")
    patch.setattr(InitialPrimary, "ensures", lambda self, state: self.now(state).role == "Primary")
    patch.setattr(drbd_84, "_expect_never_used", lambda _resource: ())
    patch.setattr(compare, "_holds_good_data", lambda _state, _node, _resource: False)
    original = compare._drbd_steps

    def eager(stack: Any, state: ClusterState, resource: Any) -> Any:
        steps = list(original(stack, state, resource))
        work = next((s.host for s in steps if isinstance(s, DrbdPrimary)), "")
        known = any(isinstance(s, InitialPrimary) for s in steps)
        return (*steps, InitialPrimary(work, resource)) if work and not known else steps

    patch.setattr(compare, "_drbd_steps", eager)


@bug("planning", "foreign resources are removed from the CIB", "the article's journey")
def foreign_removed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(compare, "owned_ids", lambda cib: frozenset(element.id for element in cib.elements()))


@bug("planning", "waiting for the cluster ends at once", "the article's journey")
def cluster_not_awaited(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AwaitCluster, "ensures", lambda _self, _state: True)


@bug("planning", "the agents' LUNs are foretold on no node", "agreement in a cluster")
def luns_of_agents_not_foretold(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle, "_lun_agent", lambda _stack, state, *_: state)


# -- hosts and execution ----------------------------------------------------------------------------------------


@bug("hosts", "operations show the secrets that they carry, and the journal keeps them", "secrets")
def operations_show_secrets(patch: pytest.MonkeyPatch) -> None:
    def shown(content: Any) -> bytes:
        pieces = (content,) if isinstance(content, bytes) else content
        return b"".join(p if isinstance(p, bytes) else CANARY.encode() for p in pieces)

    patch.setattr(operations, "conceal", shown)


@bug("execution", "the rest of a batch is believed done after its first refusal", "a device filled meanwhile")
def refusals_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(execution._Application, "settle", lambda self, step, *_: bool(self.finish(step, "done")))


# -- the simulator ------------------------------------------------------------------------------------


@bug("sim", "a write to DRBD reaches the peer's disk never", "stopped and planned again")
def replication_lost(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drbd_state.Volume, "write_here", _only_on_primary(drbd_state.Volume.write_here))


def _only_on_primary(original: Callable[..., None]) -> Callable[..., None]:
    def write_here(self: Any, extent: int, content: Any) -> None:
        if self.resource.role == "Primary" and self.resource.drbd.node.name == "centos02":
            original(self, extent, content)

    return write_here


@bug("sim", "a port that is unblocked stays blocked", "the article's journey")
def port_stays_blocked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Network, "unblock", lambda _self, _ip, _port: None)


@bug("sim", "DRBD promotes a second primary", "two primaries")
def second_primary(patch: pytest.MonkeyPatch) -> None:
    def promote(self: Drbd, name: str, *, force: bool = False) -> None:
        del force
        self.resources[name].role = "Primary"

    patch.setattr(Drbd, "promote", promote)


@bug("sim", "SCST forgets an attribute that was given at creation", "one host")
def attributes_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = Device.value
    patch.setattr(Device, "value", lambda self, name: "512" if name == "blocksize" else original(self, name))
