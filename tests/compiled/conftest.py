import pytest

from runtime.compiled import choice


@pytest.fixture(autouse=True)
def automatic_afterwards():
    yield
    choice.use("auto")
