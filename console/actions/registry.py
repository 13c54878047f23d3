"""Every action: its row defines its palette entry, headless verb and help; its key is in console/screens/keys.py."""

from __future__ import annotations

from console.actions.action import Action
from console.actions.admin import Admin
from console.actions.argo_rollout import Abort, Promote, Retry
from console.actions.cron_job import RunNow, Suspend, Unsuspend
from console.actions.expire import Expire
from console.actions.external import RestoreService, UpdateService
from console.actions.image import Image
from console.actions.limits import SetLimits
from console.actions.node import Cordon, Uncordon
from console.actions.notify import Notify
from console.actions.pause import Pause, Resume
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
