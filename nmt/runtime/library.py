"""ONNX Runtime without its telemetry. Import it only from here: `from nmt.runtime.library import onnxruntime`.

When it is imported, ONNX Runtime 1.32 starts threads that send usage data to Microsoft, unless the environment variable
ORT_DISABLE_TELEMETRY is set. A forked child of a process with these threads hangs when it ends.
"""

import os

_SWITCH = "ORT_DISABLE_TELEMETRY"
_is_chosen = _SWITCH in os.environ
os.environ.setdefault(_SWITCH, "1")
try:
    import onnxruntime as onnxruntime
finally:
    if not _is_chosen:
        del os.environ[_SWITCH]
