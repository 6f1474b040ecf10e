"""Registry of bundles: versions by name, channels, and promotion by acceptance criteria. Needs the extra `cloud`."""

from lesionlab.registry.criteria import CriterionResult, check_promotion
from lesionlab.registry.promotion import ChangeRecord, promote, rollback
from lesionlab.registry.store import Channel, Registry, RegistryEntry

__all__ = [
    "ChangeRecord",
    "Channel",
    "CriterionResult",
    "Registry",
    "RegistryEntry",
    "check_promotion",
    "promote",
    "rollback",
]
