"""Every action: its row defines its palette entry, headless verb and help; its key is in console/screens/keys.py."""

from __future__ import annotations

from console.actions.action import Action, ClusterReader, list_parameters
from console.actions.admin import Admin
from console.actions.argo_rollout import Abort, Promote, Retry
from console.actions.config_map import SetKey
from console.actions.cron_job import RunNow, Suspend, Unsuspend
from console.actions.expire import Expire
from console.actions.external import RestoreService, UpdateService
from console.actions.image import Image
from console.actions.limits import SetLimits
from console.actions.node import Cordon, Uncordon
from console.actions.notify import Notify
from console.actions.pause import Pause, Resume
from console.actions.plan import ActionRefused, Request
from console.actions.pod import DeletePod, Evict
from console.actions.restart import Restart
from console.actions.rollback import Rollback
from console.actions.rotate_token import RotateToken
from console.actions.scale import Scale
from console.actions.service import Switch
from console.actions.silence import CreateSilence

ACTIONS: tuple[Action, ...] = (
    Rollback(),
    Image(),
    Scale(),
    SetLimits(),
    Restart(),
    Pause(),
    Resume(),
    Suspend(),
    Unsuspend(),
    RunNow(),
    Evict(),
    DeletePod(),
    Cordon(),
    Uncordon(),
    Promote(),
    Abort(),
    Retry(),
    Switch(),
    SetKey(),
    UpdateService(),
    RestoreService(),
    RotateToken(),
    CreateSilence(),
    Expire(),
    Notify(),
    Admin(),
)


def action_named(name: str) -> Action | None:
    """The action with this verb."""
    return next((item for item in ACTIONS if item.name == name), None)


def find_action(request: Request, reader: ClusterReader) -> Action:
    """The action that a request names, with parameters that it has. Raises ActionRefused."""
    action = action_named(request.action)
    if action is None:
        raise ActionRefused(f"there is no action {request.action!r}")
    try:
        parameters = list_parameters(action, request.target, reader)
    except ActionRefused as refusal:
        raise ActionRefused(f"refused, nothing was sent: {refusal}") from None
    known = {item.name for item in parameters}
    missing = [item.name for item in parameters if item.missing_from(request.parameters)]
    unknown = sorted(request.parameters.keys() - known)
    if missing or unknown:
        errors = [f"needs {name}" for name in missing] + [f"has no parameter {name}" for name in unknown]
        raise ActionRefused(f"refused, nothing was sent: {action.name} {', '.join(errors)}")
    return action
