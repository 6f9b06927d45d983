"""The state machine: one queue under everything that may happen to it, compared with a model after every step."""

from qtasks_testkit.machine.rules import EXAMPLES, SETTINGS, QueueMachine, StateMachineConformance, queue_machine

__all__ = ["EXAMPLES", "SETTINGS", "QueueMachine", "StateMachineConformance", "queue_machine"]
