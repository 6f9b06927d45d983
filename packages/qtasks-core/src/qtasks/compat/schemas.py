"""The schemas by status of QTasks 1.7: a handle, an outcome or a record is one of these, by the status it has."""

from __future__ import annotations

from types import SimpleNamespace

from qtasks.types import TaskStatus


class _ByStatus(type):
    status: TaskStatus

    def __instancecheck__(cls, instance: object) -> bool:
        return getattr(instance, "status", None) == cls.status


class TaskStatusNewSchema(SimpleNamespace, metaclass=_ByStatus):
    """What waits. Programs may also make one, of the fields that they name."""

    status = TaskStatus.NEW


class TaskStatusProcessSchema(SimpleNamespace, metaclass=_ByStatus):
    """What runs."""

    status = TaskStatus.PROCESS


class TaskStatusSuccessSchema(SimpleNamespace, metaclass=_ByStatus):
    """What ended well."""

    status = TaskStatus.SUCCESS


class TaskStatusErrorSchema(SimpleNamespace, metaclass=_ByStatus):
    """What failed."""

    status = TaskStatus.ERROR


class TaskStatusCancelSchema(SimpleNamespace, metaclass=_ByStatus):
    """What was cancelled."""

    status = TaskStatus.CANCEL
