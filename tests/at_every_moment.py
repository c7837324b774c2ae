"""A signal at every moment of a call at which Python would notice it."""

import itertools
import signal
import sys


def time_out(number, frame):
    """Handle a signal as those handlers do that raise something."""
    raise TimeoutError


def at_every_moment(call, number, handler=time_out):
    """Make a call again and again, each time with the signal at a later moment; yield after each time.

    Python looks for signals where a function begins, and where one of C has returned.
    """
    for moment in itertools.count():
        moments = itertools.count()

        def notice(frame, event, _, moments=moments, moment=moment):
            if event in ("call", "c_return") and next(moments) == moment:
                signal.raise_signal(number)

        before = signal.signal(number, handler)
        try:
            sys.setprofile(notice)
            call()
        except TimeoutError:
            pass
        finally:
            sys.setprofile(None)
            signal.signal(number, before)
        yield
        if next(moments) <= moment:
            return
