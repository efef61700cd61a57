"""Rules and fixes on clusters that nobody foresaw: the article's, with pieces lost, shuffled and changed."""

from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from rules_article import article

from hastore.model.findings import Severity
from hastore.model.lvm import LvmSettings
from hastore.model.pacemaker import Cib, Op, Order, PacemakerResource
from hastore.model.stack import StorageStack
from hastore.planning.fixes import PLATFORMS, apply_fixes, fencing_device, suggest_fixes
from hastore.planning.rules import judge
from needs import examples

FIELDS = ("nodes", "drbd", "volume_groups", "devices", "targets", "vips", "corosync", "lvm", "pacemaker")
LEVELS: tuple[str, ...] = ("0", "1", "4")
ATTRIBUTES: tuple[str, ...] = (
    "nv_cache",
    "write_through",
    "threads_num",
    "thin_provisioned",
    "rotational",
    "usn",
    "t10_dev_id",
)
PATTERNS = (
    "a|/dev/sda*|",
    "a|^/dev/sdb$|",
    "a|/dev/drbd.*|",
    "a/.*/",
    "r|^/dev/sd[b-z]|",
    "a|[|",
    "r|.*|",
    "a|/dev/md|",
)
OLD = ("exclusive", "vg_access_mode", "tickle_dir", "additional_parameters")


def _cib(edit: Callable[[Cib], Cib]) -> Callable[[StorageStack], StorageStack]:
    return lambda stack: attrs.evolve(stack, pacemaker=edit(stack.pacemaker)) if stack.pacemaker else stack


def _lose(name: str) -> Callable[[StorageStack], StorageStack]:
    empty: dict[str, Any] = {name: attrs.fields_dict(StorageStack)[name].default}
    return lambda stack: attrs.evolve(stack, **empty)


def _without(resource: str) -> Callable[[StorageStack], StorageStack]:
    def edit(cib: Cib) -> Cib:
        groups = tuple(attrs.evolve(g, members=tuple(m for m in g.members if m != resource)) for g in cib.groups)
        resources = tuple(r for r in cib.resources if r.id != resource)
        constraints = tuple(c for c in cib.constraints if not isinstance(c, Order) or resource not in (c.first, c.then))
        return attrs.evolve(cib, groups=groups, resources=resources, constraints=constraints)

    return _cib(edit)


def _reorder(members: tuple[str, ...]) -> Callable[[StorageStack], StorageStack]:
    def edit(cib: Cib) -> Cib:
        group = cib.groups[0]
        return attrs.evolve(cib, groups=(attrs.evolve(group, members=tuple(sorted(group.members, key=members.index))),))

    return _cib(edit)


def _resource(
    id: str, change: Callable[[PacemakerResource], PacemakerResource]
) -> Callable[[StorageStack], StorageStack]:
    return _cib(lambda cib: attrs.evolve(cib, resources=tuple(change(r) if r.id == id else r for r in cib.resources)))


def _attributes(attributes: dict[str, str]) -> Callable[[StorageStack], StorageStack]:
    return lambda stack: attrs.evolve(
        stack, devices=tuple(attrs.evolve(device, attributes=attributes) for device in stack.devices)
    )


def _lvm(**changes: Any) -> Callable[[StorageStack], StorageStack]:
    return lambda stack: attrs.evolve(stack, lvm=attrs.evolve(stack.lvm, **changes)) if stack.lvm else stack


def _drbd(section: str, options: dict[str, str]) -> Callable[[StorageStack], StorageStack]:
    return lambda stack: attrs.evolve(
        stack, drbd=tuple(attrs.evolve(r, **{section: getattr(r, section).with_(options)}) for r in stack.drbd)
    )


def changes() -> st.SearchStrategy[Callable[[StorageStack], StorageStack]]:
    cib = article().pacemaker
    assert cib is not None
    ids = st.sampled_from([r.id for r in cib.resources])
    listed = st.none() | st.lists(st.sampled_from(("vg1", "vg_centos", "@tag")), unique=True).map(tuple)
    return st.one_of(
        st.sampled_from(FIELDS).map(_lose),
        ids.map(_without),
        st.permutations(list(cib.groups[0].members)).map(tuple).map(_reorder),
        st.dictionaries(st.sampled_from(ATTRIBUTES), st.sampled_from(LEVELS)).map(_attributes),
        st.lists(st.sampled_from(PATTERNS)).map(tuple).map(lambda patterns: _lvm(filter=patterns)),
        st.lists(st.sampled_from(PATTERNS)).map(tuple).map(lambda patterns: _lvm(global_filter=patterns)),
        listed.map(lambda names: _lvm(volume_list=names)),
        listed.map(lambda names: _lvm(auto_activation_volume_list=names)),
        st.booleans().map(lambda used: _lvm(use_devicesfile=used)),
        st.builds(
            lambda name, key, text: _resource(name, lambda r: attrs.evolve(r, params=r.params.with_({key: text}))),
            ids,
            st.sampled_from(OLD),
            st.sampled_from(("true", "system_id", "tagging", "nv_cache=1", "threads_num=4 write_through=0", "/tickle")),
        ),
        st.builds(
            lambda name, op, time: _resource(name, lambda r: attrs.evolve(r, ops=(Op(op, timeout=time),))),
            ids,
            st.sampled_from(("start", "stop", "monitor")),
            st.sampled_from(("", "5", "30s", "5min", "soon")),
        ),
        st.builds(
            _drbd,
            st.just("net"),
            st.dictionaries(
                st.sampled_from(("after-sb-0pri", "after-sb-1pri", "max-buffers", "protocol", "fencing")),
                st.sampled_from(("discard-secondary", "disconnect", "violently-as0p", "8912", "A")),
            ),
        ),
        st.builds(
            _drbd, st.just("syncer"), st.dictionaries(st.sampled_from(("rate", "verify-alg", "after")), st.just("7"))
        ),
    )


@st.composite
def stacks(draw: st.DrawFn) -> StorageStack:
    stack = article()
    for change in draw(st.lists(changes(), max_size=6)):
        stack = change(stack)
    return stack


def serious(stack: StorageStack) -> set[tuple[str, tuple[str, ...]]]:
    return {(f.code, f.objects) for f in judge(stack) if f.severity.weight <= Severity.DANGER.weight}


@settings(max_examples=examples(40))
@given(stack=stacks(), platform=st.sampled_from(sorted(PLATFORMS)), data=st.data())
def test_fixes_compose_settle_and_make_nothing_worse(stack: StorageStack, platform: str, data: st.DataObject) -> None:
    fixes = suggest_fixes(stack, platform=platform)
    chosen = data.draw(st.lists(st.sampled_from(fixes), unique_by=lambda fix: fix.code)) if fixes else []
    fixed = apply_fixes(stack, chosen)
    assert apply_fixes(stack, data.draw(st.permutations(chosen))) == fixed
    assert apply_fixes(fixed, chosen) == fixed
    assert serious(fixed) <= serious(stack)
    left = {finding.code for finding in judge(fixed)}
    assert not {code for fix in chosen for code in fix.mends} & left


@settings(max_examples=examples(25))
@given(stack=stacks(), platform=st.sampled_from(sorted(PLATFORMS)))
def test_after_all_fixes_none_is_left_to_suggest(stack: StorageStack, platform: str) -> None:
    fixed = apply_fixes(stack, suggest_fixes(stack, platform=platform))
    assert suggest_fixes(fixed, platform=platform) == ()


@settings(max_examples=examples(20))
@given(stack=stacks())
def test_a_fencing_device_goes_with_every_fix_in_any_order(stack: StorageStack) -> None:
    fence = fencing_device(
        article(), agent="fence_ipmilan", per_node_params={"centos01": {}, "centos02": {}}, delay_on="centos02"
    )
    fixes = suggest_fixes(stack)
    assert fence.apply(apply_fixes(stack, fixes)) == apply_fixes(fence.apply(stack), fixes)


def test_a_filter_never_hides_a_system_disk_that_nobody_named() -> None:
    unnamed = attrs.evolve(article(), lvm=LvmSettings(filter=("a|/dev/drbd*|", "r|/dev/sdx|")))
    lvm = apply_fixes(unnamed, suggest_fixes(unnamed)).lvm
    assert lvm is not None
    assert lvm.filter == ("r|^/dev/sdb[0-9]*$|", "a|.*|")
