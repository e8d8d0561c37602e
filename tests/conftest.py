"""For all tests: which of them share a worker when several run at once."""

import pytest

TOGETHER = ("tests/siem/test_reader", "tests/siem/test_more_readers")
"""Their readers are started once and watch for as long as the tests run."""
BY_FILE = "tests/serve/"
"""Most of their files have a home and a server of their own: one worker makes these."""


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's; without it tests run one after the other
def pytest_xdist_make_scheduler(config, log):
    """Groups by file name: pytest-xdist 3.8 loses the mark `xdist_group` with pytest 9."""
    from xdist.scheduler import LoadGroupScheduling

    class Together(LoadGroupScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(TOGETHER):
                return "siem readers"
            return nodeid.partition("::")[0] if nodeid.startswith(BY_FILE) else super()._split_scope(nodeid)

    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None
