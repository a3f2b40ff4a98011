"""Requests that nobody waits for: accepted by any replica, made by any replica, their answers kept for a while."""
