"""The contract's assertions tell as much as those of a test file."""

import pytest

pytest.register_assert_rewrite("hastore.testing.contract")
