"""Runs workloads under Celery and emits their updates: `attempt` runs one, `emitter` and `flusher` carry its events."""
