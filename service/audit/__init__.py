"""The audit log: one line for every image, chained to the one before it, in files or in a Redis stream."""
