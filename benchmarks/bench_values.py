"""How dear frozen values are, as ratios to plain tuples and dictionaries."""

from timeit import repeat

from hastore.model.stack import StorageNode
from hastore.model.values import Params


def best(statement: str, names: dict[str, object]) -> float:
    """Return the best seconds a call of several rounds."""
    number = 20_000
    return min(repeat(statement, globals=names, number=number, repeat=5)) / number


def main() -> None:
    """Print one line a ratio."""
    pairs = {f"key{index}": str(index) for index in range(20)}
    names: dict[str, object] = {"Params": Params, "StorageNode": StorageNode, "pairs": pairs, "params": Params(pairs)}
    for made, plain in (
        ("Params(pairs)", "dict(pairs)"),
        ("hash(params)", "dict(pairs)"),
        ("StorageNode('a')", "tuple(('a', params))"),
    ):
        print(f"{made:20} / {plain:22} {best(made, names) / best(plain, names):6.1f}")


if __name__ == "__main__":
    main()
