"""The epochs: the step as one graph, repeated over the batches of the data until the network has learnt."""
