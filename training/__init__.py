"""Train, export and judge models; importing this package switches onnxruntime's telemetry off."""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
