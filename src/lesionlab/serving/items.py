"""Images of requests with several: each has a result or a problem, and none stops the others."""

import logging
from collections.abc import Hashable

from lesionlab.results import BatchItem
from lesionlab.serving.decoding import checked_size
from lesionlab.serving.parameters import SettingParameters
from lesionlab.serving.problem import ProblemError, internal_error
from lesionlab.serving.service import Service

_log = logging.getLogger("lesionlab.serving")


async def predict_item(
    service: Service,
    index: int,
    data: bytes,
    request_id: str,
    parameters: SettingParameters,
    *,
    group: Hashable | None = None,
) -> BatchItem:
    """Return the item for an image at a position of a batch or a job.

    Args:
        service: The components of the server.
        index: The position.
        data: The file.
        request_id: Identifier of the request that has sent it.
        parameters: Prevalence and risk rule.
        group: The batch or job, whose images take turns with those of others; None: the request.
    """
    try:
        checked = checked_size(data, service.settings.max_bytes)
        setting = parameters.setting(service.predictor.pipeline.setting)
        result = await service.engine.predict(checked, setting=setting, group=group or request_id)
        return BatchItem(index=index, result=result)
    except ProblemError as error:
        return BatchItem(index=index, problem=error.problem(request_id))
    except Exception:  # noqa: BLE001 - reported as the problem of this image
        _log.exception("request %s failed at image %d", request_id, index)
        return BatchItem(index=index, problem=internal_error().problem(request_id))
