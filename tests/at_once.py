"""Calls in several threads at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor


def at_once(*calls):
    """Make every call in a thread of its own, none before all have begun; return their results, or raise."""
    begun = threading.Barrier(len(calls))

    def begin(call):
        begun.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(begin, call) for call in calls]]
