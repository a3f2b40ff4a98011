"""The service's configuration. The result is frozen; unknown keys and variables are refused.

Entry point: `load_settings`. What is declared, what must go together and how it is read have a module each.
"""

from service.settings.declared import DEMO_MODEL, PREFIX
from service.settings.reading import Settings, SettingsError, load_settings
from service.settings.together import AUDIT_IN_REDIS

__all__ = ["AUDIT_IN_REDIS", "DEMO_MODEL", "PREFIX", "Settings", "SettingsError", "load_settings"]
