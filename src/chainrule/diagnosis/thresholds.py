"""Where a verdict begins: every number that one of the diagnosis depends on, in one place.

They are wide, so that a sound network gets no complaint; tests hold both ways.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """From where on something is wrong, by verdict.

    Beside a number stands what comes nearest to it in ``tests/diagnosis``: without the fault, and where it is
    planted; networks that a learning rate has spoiled are left out. Numbers without such a note are one of
    several conditions, say where a trial is worth while, or have been met from one side only.

    Attributes
    ----------
    different_features : float
        *features of wildly different scale*: one column is so many times as large as another.
    largest_feature : float
        The same: a column varies by so much.
    farthest_feature : float
        The same: a column lies so many times its own spread from 0, and further than any varies.
    long_tail : float
        All three: a column that varies by more than so many times its spread does so in a few rows, and
        counts as one that varies by so much.
    target_spread : float
        *target far from unit scale*: its spread is more than this, or less than one part of it.
    target_distance : float
        The same: it lies so many times its spread from 0.
    alike_in_batches : float
        *batches of rows alike*: less than this part of the target's variance is within them, ...
    as_if_sorted : float
        ... and what is between them is more than this part of what it would be in rows sorted by targets.
    table_rows : int
        *duplicated columns*, *leaking columns*: with fewer rows a coincidence is no evidence.
    unusual_rows : int
        *features of wildly different scale* (the small one), *duplicated columns*: each has not its most
        common value in so many rows; *leaking columns*: so many rows are of the class that is told, or have
        each of the few values.
    noise_of_copy : float
        *duplicated columns*: one is another with noise of less than this part of its deviation.
    told_rows : float
        *leaking columns*: a column tells the class in more than this part of the rows.
    told_turns : int
        The same: as a number to be predicted rises, the column turns from rising to falling, or the other
        way, so often at most.
    tiny_noise : float
        The same: a column is a function of the number, with noise of less than this part of its deviation.
    little_noise : float
        The same: a column is the number with noise of less than this part of its deviation, or lies at one
        place for each class with noise of less than this part of their distance.
    noise_beside_others : float
        The same: and the other columns leave so many times as much of the number's variance.
    earlier_rows : float
        The same: but not where more than this part of a column's numbers are targets of other rows, as the
        value of the day before is.
    nearer_to_next : float
        The same: nor where it leaves less than this part of that of a neighbour's target, as a mean of some
        days before does.
    told_partly : float
        The same: without the column so much of what is to be told can be predicted, and not all.
    class_told_partly : float
        The same, of the variance of a class's indicator, which is mostly chance.
    given_back : float
        The same: where several outputs are told by this part of the columns and more, to give back the input
        is what the network is for.
    start_loss : float
        *loss at the start too high*: so many times -ln(1/C), or the target's variance.
    fresh_output : float
        The same, of numbers to predict: and more than the loss of outputs of ± so much. Those of a fresh
        network may well have a deviation of more than 1, and be about the same for all rows.
    large_weights : float
        The same: a layer's weights are named that are so many times √(2 / inputs), the largest usual size.
    unit_rows : int
        *dead units*, *saturated units*: with fewer rows nothing is said.
    dead_units, saturated_units : float
        The same: this part of a layer's units. A sound deep relu network may well have half of them dead.
    flat_slope : float
        *saturated units*: a slope below this is flat.
    mostly_flat : float
        The same: in more than this part of the rows.
    flat_at_start : float
        The same, before the first step: this part of a layer's slopes is flat, each unit's in some rows.
    much_dropped, least_left : float
        *dropout too high*: more than this part of the units, and fewer than so many are left.
    vanished_gradient : float
        *vanishing gradients*: a layer's gradient, as a part of its weights, is less than this part of the
        largest.
    learnt : float
        The same: but not where a training comes below this part of a guess's loss.
    tiny_weights : float
        The same: weights that are less than this part of √(1 / inputs), and of √(2 / (inputs + units)), are
        named with it.
    small_weights : float
        The same, in all layers alike: weights are less than this part of √(1 / inputs), or √(2 / inputs), ...
    flatter_than_usual : float
        ... with such weights some layer's gradient would be so many times as large, ...
    stuck, gets_going : float
        ... and then the loss comes down by more than the latter, a part of itself, and now by less than the
        former, a part of that. So it is with other activations where noise leaves most of the loss. *learning
        rate too high*: with a smaller rate the loss rises by less than the former, a part of its rise now.
    exploded_gradient : float
        *exploding gradients*: a layer's gradient is so many times as large as its weights, and as the loss's
        slope by the predictions where nothing is known, which grows with the loss's unit.
    exploded_of_last : float
        The same: or so many times as large as that of the last layer, each as a part of its weights, and
        larger than the loss's slope where nothing is known.
    usual_update : float
        What is usual for a step's change of a layer's weights, as a part of them.
    least_update : float
        *updates too small*.
    slower_gain : float
        *learning rate too high*: a slower one takes the loss down by so many times as much, by a tenth; ...
    missed_fall : float
        ... or two slower ones are better, and the better one's loss is less than half, and less by more than
        this part of what it takes off.
    fast_update : float
        The same: where a step of the first epoch changes a layer's weights by more, slower ones are tried.
    faster_gain : float
        *learning rate too low*: a faster one takes the loss down by so many times as much, and by a fifth.
    slow_update : float
        The same: and a step changes every layer's weights by less than this part of them.
    far_faster, far_faster_gain, slow_descent : float
        The same, of plain descent, whose rates are in no unit: so many times the rate are the best, they take
        the loss down by so many times as much, and a step changes weights by less than this part of them.
    rash_update, largest_update : float
        *learning rate too high*, in a fit: slower ones are tried where a step changes weights by more than
        the latter part of them, or the former and the loss is that of *risen_loss* guesses, or units have
        become dead or saturated.
    by_heart : float
        *cannot overfit two rows*: more than this part is left of what free predictions take off their loss.
    to_learn : float
        The same: and these take off more than this part of what they leave.
    held_out_rows : int
        *input that does not help*: with fewer rows, the loss on rows held out says nothing.
    helps : float
        The same: the input takes less than this part off what can be taken off the loss of a network that
        sees none, and what is measured can hardly be twice as much.
    told_by_lines : float
        The same, of few rows: outputs are linear in the input, and the best such explain less than this part
        of the target's variance.
    alike_targets : float
        The same: the targets of nearest rows are not so many standard deviations nearer than by chance.
    correlated : float
        The same: the largest correlation of a column with an output is not so many standard deviations above
        the largest by chance.
    risen_loss : float
        *learning rate too high*, in a fit: slower ones are tried where the loss is so many times its least,
        and above the first epoch's; and it is enough that one holds the loss where it rises by so much.
    left_loss : float
        *nothing is learnt*: this part of the first epoch's loss is left ...
    patience : int
        ... after so many epochs.
    steps_to_settle, steps_to_learn : int
        And in a fit of fewer weight updates a loss that rises, and one that stays, is no fault yet.
    """

    different_features: float = 100.0  # without: 8, with: 1036
    largest_feature: float = 50.0  # without: 47, with: 322
    farthest_feature: float = 50.0  # without: 7.1, with: 100
    long_tail: float = 10.0
    target_spread: float = 20.0  # without: 4.7, with: 77
    target_distance: float = 5.0  # without: 3.0, with: 10
    alike_in_batches: float = 0.5  # without: 0.94, with: 0.23
    as_if_sorted: float = 0.9
    table_rows: int = 20
    unusual_rows: int = 5
    noise_of_copy: float = 0.01
    told_rows: float = 0.985
    told_turns: int = 3
    tiny_noise: float = 0.02
    little_noise: float = 0.045  # 3 % of noise, as it is drawn in 300 rows, is up to 0.041
    noise_beside_others: float = 20.0
    earlier_rows: float = 0.5
    nearer_to_next: float = 0.8  # without: 0.20, with: 1.14
    told_partly: float = 0.1
    class_told_partly: float = 0.05
    given_back: float = 0.5  # without: 0.5, with: 0.24
    start_loss: float = 5.0
    fresh_output: float = 4.0
    large_weights: float = 1.5
    unit_rows: int = 16
    dead_units: float = 0.7  # without: 0.53, with: 1
    saturated_units: float = 0.5  # without: 0.14, with: 0.66
    flat_slope: float = 0.01
    mostly_flat: float = 0.95
    flat_at_start: float = 0.6  # without: 0.08, with: 0.68
    much_dropped: float = 0.75
    least_left: float = 3.0  # without: 6.4, with: 0.64
    vanished_gradient: float = 1e-3
    learnt: float = 0.5
    tiny_weights: float = 0.2
    small_weights: float = 0.9
    flatter_than_usual: float = 10.0
    stuck: float = 0.1
    gets_going: float = 0.2
    exploded_gradient: float = 100.0
    exploded_of_last: float = 1e3
    usual_update: float = 1e-3
    least_update: float = 1e-6  # without: 2.1e-5, with: 1.7e-10
    slower_gain: float = 2.0
    missed_fall: float = 0.05
    fast_update: float = 0.05
    faster_gain: float = 10.0
    slow_update: float = 1e-4
    far_faster: float = 1e3
    far_faster_gain: float = 4.0
    slow_descent: float = 3e-4
    rash_update: float = 0.1
    largest_update: float = 0.3
    by_heart: float = 0.25
    to_learn: float = 1e-4
    held_out_rows: int = 60
    helps: float = 0.05
    told_by_lines: float = 1e-3  # without: 0.67, with: 0
    alike_targets: float = 4.0
    correlated: float = 2.5
    risen_loss: float = 1.5
    left_loss: float = 0.99
    patience: int = 5
    steps_to_settle: int = 10
    steps_to_learn: int = 100


LIMITS = Thresholds()
