"""Any combination of how a step may be written and what may be wrong with it gets one verdict, the right one.

`pytest --thorough` tries a thousand.
"""

from step_matrix import any_way, expected

import chainrule as cr


def test_one_mistake_gets_its_name_and_no_other_however_a_step_is_written(thorough):
    for number in range(1000 if thorough else 6):
        way = any_way(number)
        found = {mistake.name for mistake in cr.check_step(*way.case()).mistakes}
        assert found == expected(way), way
