"""Registry of bundles: versions by name, channels, and promotion by acceptance criteria. Needs the extra `cloud`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lesionlab.registry.follow import FollowedChannel
from lesionlab.registry.store import Channel, Registry, RegistryEntry

if TYPE_CHECKING:
    from lesionlab.registry.criteria import CriterionResult, check_promotion
    from lesionlab.registry.promotion import ChangeRecord, promote, rollback

# Imported on first use: a server that follows a channel does not need the extra `evaluate`.
_MODULE_OF = {"CriterionResult": "criteria", "check_promotion": "criteria"} | dict.fromkeys(
    ("ChangeRecord", "promote", "rollback"), "promotion"
)

__all__ = [
    "ChangeRecord",
    "Channel",
    "CriterionResult",
    "FollowedChannel",
    "Registry",
    "RegistryEntry",
    "check_promotion",
    "promote",
    "rollback",
]


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
