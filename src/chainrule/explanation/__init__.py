"""A graph and its numbers → formulas, a story, a page. Nothing in here computes a derivative of its own."""
