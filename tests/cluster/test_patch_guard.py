"""How a live CIB judges patchsets: facts that planning and the simulator build on, asked of Pacemaker itself.

Seen on Pacemaker 2.1.5. A patchset names the version it was made from. cibadmin compares all three numbers, so the
status section's `num_updates` makes a patch stale within a monitor's interval. Where the source leaves `num_updates`
out, admin_epoch and epoch guard alone: changes of status pass, another operator's change does not.
"""

from __future__ import annotations

import pytest

from real_cluster import RealCluster

pytestmark = [pytest.mark.oracle, pytest.mark.cluster]
STALE = 103
NVPAIR = "cib-bootstrap-options-dc-deadtime"


def version(cluster: RealCluster) -> dict[str, str]:
    root = cluster.cib()
    return {name: root.get(name, "") for name in ("admin_epoch", "epoch", "num_updates")}


def patch(source: dict[str, str], value: str) -> str:
    """Return a patchset that sets dc-deadtime, made from this version."""
    target = {"admin_epoch": source["admin_epoch"], "epoch": str(int(source["epoch"]) + 1), "num_updates": "0"}
    old, new = ("".join(f' {name}="{number}"' for name, number in numbers.items()) for numbers in (source, target))
    path = f"/cib/configuration/crm_config/cluster_property_set[@id='cib-bootstrap-options']/nvpair[@id='{NVPAIR}']"
    return (
        f'<diff format="2"><version><source{old}/><target{new}/></version>'
        f'<change operation="modify" path="{path}">'
        f'<change-list><change-attr name="value" operation="set" value="{value}"/></change-list>'
        f'<change-result><nvpair id="{NVPAIR}" name="dc-deadtime" value="{value}"/></change-result></change></diff>'
    )


def apply(cluster: RealCluster, text: str) -> int:
    return cluster.any_node().run("cibadmin", "--patch", "--xml-pipe", stdin=text, check=False).returncode


def dc_deadtime(cluster: RealCluster) -> str:
    return str(cluster.cib().xpath(f"string(//nvpair[@id='{NVPAIR}']/@value)"))


def change_status(cluster: RealCluster, value: str) -> None:
    """Let the status section change, as each monitor's new result does."""
    before = version(cluster)
    cluster.any_node().run("attrd_updater", "--name", "probe", "--update", value)
    cluster.wait_for(lambda _: version(cluster) != before)
    assert version(cluster)["epoch"] == before["epoch"]


def test_which_changes_make_a_patch_stale(cluster: RealCluster) -> None:
    cluster.wait_until_idle()
    whole = version(cluster)
    by_epoch = {name: whole[name] for name in ("admin_epoch", "epoch")}
    change_status(cluster, "1")

    assert apply(cluster, patch(whole, "301ms")) == STALE, "num_updates named, and old"
    assert apply(cluster, patch({**whole, "num_updates": "0"}, "302ms")) == STALE, "0 is a number too"
    assert dc_deadtime(cluster) == "300ms"

    assert apply(cluster, patch(by_epoch, "303ms")) == 0
    assert dc_deadtime(cluster) == "303ms"
    assert apply(cluster, patch(by_epoch, "303ms")) == STALE, "a repeat is told from a first time"

    by_epoch = {name: version(cluster)[name] for name in ("admin_epoch", "epoch")}
    cluster.any_node().run("crm_attribute", "--type", "crm_config", "--name", "cluster-delay", "--update", "61s")
    assert apply(cluster, patch(by_epoch, "304ms")) == STALE, "another operator changed the configuration"
    assert dc_deadtime(cluster) == "303ms"

    cluster.wait_until_idle()
    held = {node.run("cibadmin", "--query", "--local").stdout for node in cluster.nodes.values()}
    assert len(held) == 1, "every node holds what was patched"
