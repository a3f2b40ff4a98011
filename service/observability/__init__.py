"""What the service shows of itself: metrics of its parts, log lines and traces."""
