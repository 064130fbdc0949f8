"""One run of one probe to one reading: the only place where exceptions become outcomes."""

from __future__ import annotations

import traceback

from probes.api import Context, Params, ProbeSpec, Reading, Target
from probes.errors import Ending, ProberFault, from_oserror


async def measure(spec: ProbeSpec, target: Target, params: Params, context: Context) -> Reading:
    """Run the probe and return its reading; only cancellation (the runner's deadline) passes through."""
    try:
        return await spec.run(target, params, context)
    except Ending as ending:
        return ending.reading()
    except OSError as error:
        return from_oserror(error, context.phase).reading()
    except Exception as error:  # noqa: BLE001 - a bug in a probe is a reading, too: error(prober_error)
        context.log(traceback.format_exc())
        return ProberFault(f"{type(error).__name__} in {spec.name}").reading()
