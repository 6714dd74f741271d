"""What the triggers' bindings say."""

from collections.abc import Mapping
from dataclasses import dataclass

from batch_core.config.settings import (
    BLOB_TRIGGER_SOURCES,
    COLLECT_SCHEDULE,
    INPUT_CONTAINER,
    SCALE_SCHEDULE,
    SWEEP_SCHEDULE,
    TIDY_SCHEDULE,
)


@dataclass(frozen=True, kw_only=True)
class BindingExpressions:
    """What the triggers' bindings say: `%NAME%` where the host can resolve it, else the default.

    A host refuses a function whose `%NAME%` is not set, so that a missing setting would unload the function.
    """

    input_path: str
    blob_source: str
    collect_schedule: str
    sweep_schedule: str
    scale_schedule: str
    tidy_schedule: str

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "BindingExpressions":
        source = env.get("BLOB_TRIGGER_SOURCE", "").strip()
        return cls(
            input_path=_expression(env, "INPUT_CONTAINER", INPUT_CONTAINER) + "/{name}",
            blob_source=source if source in BLOB_TRIGGER_SOURCES else BLOB_TRIGGER_SOURCES[0],
            collect_schedule=_expression(env, "COLLECT_SCHEDULE", COLLECT_SCHEDULE),
            sweep_schedule=_expression(env, "SWEEP_SCHEDULE", SWEEP_SCHEDULE),
            scale_schedule=_expression(env, "SCALE_SCHEDULE", SCALE_SCHEDULE),
            tidy_schedule=_expression(env, "TIDY_SCHEDULE", TIDY_SCHEDULE),
        )


def _expression(env: Mapping[str, str], name: str, default: str) -> str:
    # A host keeps the blanks around a value, which the app strips: then the binding holds the value itself.
    value = env.get(name, "")
    if value and value == value.strip():
        return f"%{name}%"
    return value.strip() or default
