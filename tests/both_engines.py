"""Compare numpy and onnxruntime with the compiled loops."""

from runtime.compiled import choice


def with_each(call):
    """What a call gives with numpy, and with compiled loops."""
    results = []
    for engine in ("numpy", "compiled"):
        choice.use(engine)
        results.append(call())
    return results
