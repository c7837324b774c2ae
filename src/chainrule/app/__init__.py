"""The command line: a table in, a trained network out, and predictions from it."""
