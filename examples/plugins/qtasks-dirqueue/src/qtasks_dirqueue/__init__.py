"""A broker on a directory of files, for QTasks: every task is a file, every move a rename."""
