"""The doctor: is the gradient right, is the network sound, and where did it go wrong; in named verdicts."""
