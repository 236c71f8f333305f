import pytest

# Contract suites are no test files by name: without this their asserts would not show the values.
pytest.register_assert_rewrite("tests.contracts", "tests.dashboard.store_contract")
