"""The numbers by which Python and native code tell each other about a run, and where both find them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from chainrule.compiler.table import FIRST_ARRAY

CONTROL_SLOT: Final = FIRST_ARRAY
RESULTS_SLOT: Final = FIRST_ARRAY + 1
#: Where in the table of pointers the data's arrays begin.
FIRST_TABLE: Final = FIRST_ARRAY + 2


class Control(IntEnum):
    """The places in the table of 64-bit numbers by which Python steers a run and learns where it stands.

    A turn is a step, a batch of the validation, the end of an epoch, or a check of the weights. After these
    numbers follow the sums of the validation so far, as float64.
    """

    TURN = 0  # the number of the turn, even; odd while the other numbers change
    TURNS = 1  # how many were made
    MOST_TURNS = 2  # how many to make at most
    ENDED = 3  # epochs that were ended
    MOST_EPOCHS = 4  # how many to end at most
    EPOCHS_LEFT = 5  # until the last epoch that was asked for
    STOPPED = 6  # whether the end of an epoch decided to stop
    FAILED = 7  # whether the last step's loss was not finite, and this ends the run
    CHECK = 8  # whether to look, in the end, if all weights are finite
    STEP = 9  # counted since the model was built
    EPOCH = 10  # counted since the model was built
    POSITION = 11  # rows of the epoch that are done
    ROWS = 12  # of the whole table
    BATCH = 13
    LOSS = 14  # sum over the epoch, float64
    WEIGHT = 15  # sum over the epoch, float64
    VALIDATED = 16  # rows of the validation data that are done
    VALIDATION_ROWS = 17
    VALIDATION_BATCH = 18
    SHUFFLE = 19  # whether rows are visited out of order
    MASK = 20
    SHIFT = 21
    KEY = 22
    CHECKED = 23  # whether a loss that is not finite ends the run
    COPIES = 24  # the address that a check after the end of an epoch copies weights to, or 0
    SIZE = 25
