"""An audit trail for QTasks: who had which task run, and what came of it."""
