"""How programs of QTasks 1.7 find their application and their tasks."""

from __future__ import annotations

from typing import Any

from qtasks.app.application import Application
from qtasks.errors import ConfigError
from qtasks.router import shared


def get_app() -> Application:
    """The application that was made last in this process.

    Raises:
        ConfigError: none was made yet.
    """
    try:
        app: Application = shared.home.runtime.app
    except ConfigError:
        raise ConfigError("No application was made yet.", "Import the module with app = QueueTasks() first.") from None
    return app


def autodiscover_tasks(_app: Any = None, *modules: str) -> None:
    """Import the module `tasks` of each of Django's INSTALLED_APPS that has one; to be called after `django.setup()`.

    Args:
        modules: the names of the modules, in place of `tasks`.

    Raises:
        ImportError: Django is not installed.
        AppRegistryNotReady: Django has not loaded its applications yet.
    """
    from django.utils.module_loading import autodiscover_modules

    autodiscover_modules(*(modules or ("tasks",)))
