"""How planning grows with the storage: 1 is linear, 2 quadratic."""

from __future__ import annotations

from sizes import articles, direct, exponent, seconds, shown

import hastore
from hastore.planning.compare import compare
from hastore.planning.planner import arrange, plan
from hastore.planning.rules import judge
from hastore.testing.fresh_states import fresh


def measure(stack: hastore.StorageStack) -> dict[str, float]:
    """Return the seconds of each part of planning from blank machines, and of finding that nothing is left to do."""
    state = fresh(stack)
    steps = compare(stack, state).steps
    done = arrange(steps, state).predicted[-1]
    return {
        "compare": seconds(lambda: compare(stack, state)),
        "arrange": seconds(lambda: arrange(steps, state)),
        "judge": seconds(lambda: judge(stack, state)),
        "plan": seconds(lambda: plan(stack, state)),
        "plan, done": seconds(lambda: plan(stack, done)),
    }


def table(what: str, measured: dict[int, dict[str, float]]) -> None:
    """Print one row a part: seconds at each size, and the exponent between the two largest."""
    sizes = sorted(measured)
    print(f"{what:22} " + " ".join(f"{size:>12}" for size in sizes) + "   exponent")
    for part in measured[sizes[0]]:
        taken = [(size, measured[size][part]) for size in sizes]
        print(f"  {part:20} " + " ".join(shown(t) for _, t in taken) + f"   {exponent(*taken[-2:]):8.2f}")


def main() -> None:
    """Print a table for article-like stacks, and one for the LUNs of one target."""
    table("article-like stacks", {count: measure(articles(count)) for count in (1, 10, 100)})
    table("LUNs of one target", {count: measure(direct(count)) for count in (10, 100, 1000)})


if __name__ == "__main__":
    main()
