"""pacemaker+cib: Pacemaker by cibadmin and crm_mon, its configuration changed by patchsets.

A patchset names the version of the CIB it was made for; where anything changed in between, cibadmin refuses it
with 103 (recording pacemaker/live/cibadmin-stale-patch) and the step is rendered anew. It travels on stdin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hastore.drivers.base import DONE, HostFacts, Match, Verdict, explain, judge_by_outcomes
from hastore.drivers.reading import missing, shown, understood, unsupported
from hastore.formats import cib_patch, cib_xml, crm_mon
from hastore.hosts.exchange import Exchange
from hastore.hosts.operations import Operation, Outcome, Run
from hastore.model.state import ClusterState, Observed, PacemakerState, Unknown
from hastore.planning.evolve import host_of
from hastore.planning.steps import Step, Subsystem, Watch
from hastore.planning.steps_cluster import PatchCib

_NOT_CONNECTED: Final = 102
_STALE: Final = 103
_STATUS: Final = Run(
    ("crm_mon", "--output-as=xml", "--one-shot", "--inactive", "--failcounts"), reads=True, ok=(0, _NOT_CONNECTED)
)
_QUERY: Final = Run(("cibadmin", "--query"), reads=True)


class PacemakerCibDriver:
    """Drives Pacemaker 2.0.3 and later, whose crm_mon writes XML by --output-as."""

    name: ClassVar[str] = "pacemaker+cib"
    subsystem: ClassVar[Subsystem] = "pacemaker"
    probes: ClassVar[tuple[Operation, ...]] = (_STATUS,)

    def __init__(self, facts: HostFacts, /) -> None:
        self.facts = facts

    @classmethod
    def match(cls, facts: HostFacts, /) -> Match:
        """Suit a host with Pacemaker's tools, whether or not a cluster runs just now."""
        answer = facts.of(_STATUS)
        if missing(answer):
            return Match(0, "Pacemaker is not installed (no crm_mon)")
        status = understood(answer, crm_mon.parse)
        if isinstance(status, Unknown):
            return Match(0, f"crm_mon does not answer in XML, Pacemaker before 2.0.3? ({shown(status.reason)})")
        if status.error:
            return Match(10, "Pacemaker's tools answer; no cluster runs here just now")
        return Match(10, f"Pacemaker {status.version} runs here" if status.version else "Pacemaker runs here")

    # -- looking --------------------------------------------------------------------------------------

    def observe(self) -> Exchange[Observed[PacemakerState]]:
        """Return the cluster as this node sees it, in one round trip; Unknown while it is no member of one."""
        told, queried = yield (_STATUS, _QUERY)
        status = understood(told, crm_mon.parse)
        if isinstance(status, Unknown):
            return status
        if status.error:
            return Unknown(f"no cluster runs on {self.facts.host}: {shown(status.error)}")
        cib = understood(queried, cib_xml.parse)
        return cib if isinstance(cib, Unknown) else status.state(cib, queried.text)

    # -- doing ----------------------------------------------------------------------------------------

    def render(self, step: Step, state: ClusterState, /) -> tuple[Operation, ...]:
        """Return one patch for a change; nothing for a watch, or where nothing is to be changed."""
        match step:
            case PatchCib(edits=edits):
                pacemaker = host_of(state, step.host).pacemaker
                if not isinstance(pacemaker, PacemakerState):
                    raise unsupported(self.name, step, f"the cluster's configuration is not known on {step.host}")
                patch = cib_patch.patchset(pacemaker.cib_xml, cib_patch.edit(pacemaker.cib_xml, edits))
                return (Run(("cibadmin", "--patch", "--xml-pipe"), stdin=patch.encode()),) if patch else ()
            case Watch():
                return ()
            case _:
                raise unsupported(self.name, step)

    def judge(self, _step: Step, outcomes: tuple[Outcome, ...], /) -> Verdict:
        """Judge by cibadmin's exit code: 103 means that somebody changed the CIB in between."""
        refused = next((outcome for outcome in outcomes if not outcome.done), None)
        if refused is None:
            return DONE
        if refused.exit_code == _STALE:
            return Verdict("stale", f"the cluster changed its CIB in between ({shown(refused.error_text)})")
        meaning = _MEANINGS.get(refused.exit_code or 0)
        if meaning and judge_by_outcomes(outcomes).result == "refused":
            return Verdict("refused", f"{meaning} ({explain(refused)})")
        return judge_by_outcomes(outcomes)


_MEANINGS: Final[Mapping[int, str]] = {
    4: "no right to change the CIB: be root, or in the group haclient with ACLs that allow it",
    54: "this node's tools are older than the cluster's configuration (crm_feature_set)",
    78: "the changed configuration would not be valid",
    _NOT_CONNECTED: "no cluster runs on this node",
    105: "something that the patch changes is not there any more",
    108: "something that the patch creates is there already",
}
"""Exit codes of Pacemaker's tools (facts: pacemaker-tools; crm_error(8))."""
