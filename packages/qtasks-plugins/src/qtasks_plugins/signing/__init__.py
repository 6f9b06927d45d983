"""Signatures of messages: workers run what somebody with a key has asked for, and nothing else."""
