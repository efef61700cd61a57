"""CIBs with states, generated for comparing schedulers: storage clusters of two or three nodes in all kinds of trouble."""

from __future__ import annotations

import random

from storage_clusters import nvpairs, primitive

from hastore.sim.cib_words import digest

UUID = "00000000-0000-4000-8000-000000000000"


class Generated:
    """One CIB with a status section, by its seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 -- reproducible clusters, no secret
        self.nodes = [f"node{n + 1}" for n in range(self.random.choice((2, 2, 2, 3)))]
        self.members = [f"m{n}" for n in range(self.random.randint(1, 4))]
        self.singles = [f"d{n}" for n in range(self.random.randint(0, 2))]
        self.stateful = self.random.random() < 0.8
        self.fencing = self.random.random() < 0.3
        self.offline = {n for n in self.nodes if self.random.random() < 0.12}
        self.standby = {n for n in self.nodes if self.random.random() < 0.12}
        self.promoted = self.random.choice(self.nodes)
        self.call = 0

    def text(self) -> str:
        return (
            '<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="1" num_updates="0" admin_epoch="0" '
            f'have-quorum="1" dc-uuid="1"><configuration><crm_config>{self.options()}</crm_config>'
            f"<nodes>{self.node_list()}</nodes><resources>{self.resources()}</resources>"
            f"<constraints>{self.constraints()}</constraints>{self.defaults()}</configuration>"
            f"<status>{''.join(self.node_state(n) for n in self.nodes)}</status></cib>"
        )

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def options(self) -> str:
        found = {"stonith-enabled": "true" if self.fencing else "false", "no-quorum-policy": "ignore"}
        if self.chance(0.05):
            found["maintenance-mode"] = "true"
        return nvpairs("cluster_property_set", "cib-bootstrap-options", found)

    def defaults(self) -> str:
        found = {}
        if self.chance(0.5):
            found["resource-stickiness"] = self.random.choice(("1", "100"))
        if self.chance(0.3):
            found["migration-threshold"] = self.random.choice(("1", "3"))
        made = nvpairs("meta_attributes", "rsc-options", found)
        return f"<rsc_defaults>{made}</rsc_defaults>" if made else ""

    def node_list(self) -> str:
        made = ""
        for number, name in enumerate(self.nodes, 1):
            found = {"standby": "on"} if name in self.standby else {}
            made += (
                f'<node id="{number}" uname="{name}">{nvpairs("instance_attributes", f"nodes-{number}", found)}</node>'
            )
        return made

    def meta(self, *, managed: bool = True) -> dict[str, str]:
        if self.chance(0.1):
            return {"target-role": self.random.choice(("Stopped", "Started"))}
        return {"is-managed": "false"} if self.chance(0.05) and not managed else {}

    def resources(self) -> str:
        made = [
            primitive(d, "ocf:pacemaker:Dummy", {}, "monitor interval=10s", self.meta(managed=False))
            for d in self.singles
        ]
        if self.fencing:
            made.append(primitive("st", "stonith:fence_dummy", {}))
        inner = "".join(
            primitive(m, "ocf:pacemaker:Dummy", {}, "monitor interval=10s", self.meta()) for m in self.members
        )
        made.append(f'<group id="g">{inner}{nvpairs("meta_attributes", "g-meta", self.meta())}</group>')
        if self.stateful:
            watch = "monitor interval=10s role=Promoted,monitor interval=11s role=Unpromoted"
            child = primitive("s", "ocf:pacemaker:Stateful", {}, watch)
            meta = {"promotable": "true", "notify": self.random.choice(("true", "false")), "interleave": "true"}
            if self.chance(0.2) and len(self.nodes) == 2:
                meta["clone-max"] = "2"
            if self.chance(0.3):
                meta["resource-stickiness"] = "100"
            if self.chance(0.05):
                meta["target-role"] = "Unpromoted"
            made.append(f'<clone id="ms">{nvpairs("meta_attributes", "ms-meta", meta)}{child}</clone>')
        return "".join(made)

    def constraints(self) -> str:
        made = []
        everything = [*self.singles, "g", *self.members, *(["ms"] if self.stateful else [])]
        if self.stateful and self.chance(0.85):
            made.append('<rsc_colocation id="c" score="INFINITY" rsc="g" with-rsc="ms" with-rsc-role="Promoted"/>')
            if self.chance(0.9):
                made.append(
                    '<rsc_order id="o" kind="Mandatory" first="ms" first-action="promote" then="g" then-action="start"/>'
                )
        for number in range(self.random.randint(0, 2)):
            rsc, node = self.random.choice(everything), self.random.choice(self.nodes)
            score = self.random.choice(("INFINITY", "-INFINITY", "50", "200", "-50"))
            made.append(f'<rsc_location id="l{number}" rsc="{rsc}" node="{node}" score="{score}"/>')
        if self.stateful and self.chance(0.25):
            node = self.random.choice(self.nodes)
            made.append(
                '<rsc_location id="f" rsc="ms"><rule id="f-r" role="Promoted" score="-INFINITY">'
                f'<expression id="f-e" attribute="#uname" operation="ne" value="{node}"/></rule></rsc_location>'
            )
        if self.singles and self.chance(0.4):
            score = self.random.choice(("INFINITY", "-INFINITY", "500"))
            made.append(f'<rsc_colocation id="cd" score="{score}" rsc="{self.singles[0]}" with-rsc="g"/>')
            if self.chance(0.5):
                made.append(f'<rsc_order id="od" kind="Mandatory" first="g" then="{self.singles[0]}"/>')
        return "".join(made)

    # What runs

    def node_state(self, name: str) -> str:
        number = self.nodes.index(name) + 1
        up = name not in self.offline
        attributes: dict[str, str] = {}
        resources = ""
        for id in (*self.singles, *self.members):
            resources += self.history(
                id, "Dummy", name, runs=name == self.promoted and not self.chance(0.1), attributes=attributes
            )
        if self.stateful:
            resources += self.stateful_history(name, attributes)
        if self.fencing:
            resources += self.resource("st", "fence_dummy", self.op("st", name, "monitor", 0, 7), stonith=True)
        word, ccm, join = ("online", "true", "member") if up else ("offline", "false", "down")
        expected = "down" if not up and self.chance(0.5) else "member"
        held = nvpairs("instance_attributes", f"status-{number}", attributes)
        return (
            f'<node_state id="{number}" uname="{name}" in_ccm="{ccm}" crmd="{word}" join="{join}" expected="{expected}">'
            f'<transient_attributes id="{number}">{held}</transient_attributes>'
            f'<lrm id="{number}"><lrm_resources>{resources if up or expected == "member" else ""}</lrm_resources></lrm></node_state>'
        )

    def history(self, id: str, kind: str, node: str, *, runs: bool, attributes: dict[str, str]) -> str:
        if not runs:
            return self.resource(id, kind, self.op(id, node, "monitor", 0, 7))
        ops = self.op(id, node, "start", 0, 0) + self.op(id, node, "monitor", 10000, 0)
        if self.chance(0.08):
            failed = self.random.choice(("monitor", "stop", "start") if id in self.members else ("monitor", "start"))
            interval, code = (10000, self.random.choice((1, 7))) if failed == "monitor" else (0, 1)
            if failed == "start":
                ops = ""
            ops += self.op(id, node, failed, interval, code, suffix="last_failure_0")
            attributes[f"fail-count-{id}#{failed}_{interval}"] = "1" if failed == "monitor" else "INFINITY"
        return self.resource(id, kind, ops)

    def stateful_history(self, node: str, attributes: dict[str, str]) -> str:
        """Run it here, with the score that its agent gives itself; what does not run has none."""
        if self.chance(0.1):
            return self.resource("s", "Stateful", self.op("s", node, "monitor", 0, 7))
        if self.chance(0.9):
            attributes["master-s"] = self.random.choice(("10000", "1000", "10000", "5"))
        ops = self.op("s", node, "start", 0, 0)
        if node == self.promoted and self.chance(0.9):
            ops = self.op("s", node, "promote", 0, 0) + self.op("s", node, "monitor", 10000, 8)
        else:
            ops += self.op("s", node, "monitor", 11000, 0)
        return self.resource("s", "Stateful", ops)

    def resource(self, id: str, kind: str, ops: str, *, stonith: bool = False) -> str:
        cls = 'class="stonith"' if stonith else 'class="ocf" provider="pacemaker"'
        return f'<lrm_resource id="{id}" type="{kind}" {cls}>{ops}</lrm_resource>'

    def op(self, id: str, node: str, name: str, interval: int, code: int, *, suffix: str = "") -> str:
        self.call += 1
        key = f"{id}_{name}_{interval}"
        ending = suffix or (f"{name}_{interval}" if interval else "last_0")
        expected = 7 if (name, interval) == ("monitor", 0) else 8 if code == 8 else 0
        keyed = f"{self.call}:1:{expected}:{UUID}"
        return (
            f'<lrm_rsc_op id="{id}_{ending}" operation_key="{key}" operation="{name}" crm_feature_set="3.16.1" '
            f'transition-key="{keyed}" transition-magic="0:{code};{keyed}" on_node="{node}" call-id="{self.call}" '
            f'rc-code="{code}" op-status="0" interval="{interval}" last-rc-change="1767225600" op-digest="{digest({"CRM_meta_timeout": "20000"} if interval else {})}"/>'
        )
