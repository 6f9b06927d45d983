"""The fence around the names of QTasks 1.7: which there were (`table.py`), how they are imported (`finder.py`).

The other modules hold what an old name is where it is more than another spelling of something that there is. Nothing of
this is imported before somebody imports an old name, and the rest of QTasks does without it.
"""
