"""Metrics of an application for Prometheus, read from its broker and its storage."""
