// The part of onnxruntime-web and onnxruntime-node in scripts/determinism: digests of network outputs, as JSON.
//   node node.mjs PACKAGE WORK
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [name, work] = process.argv.slice(2);
const require = createRequire(join(process.cwd(), "x.js"));
const loaded = await import(pathToFileURL(require.resolve(name)));
const ort = loaded.InferenceSession ? loaded : loaded.default;
const rows = new Uint8Array(readFileSync(join(work, "rows.bin")));
const count = rows.length / 20;
// inputs from references, as in probe.py: those of reference p of row i are the first 8 bytes of row i - p - 1
const messages = new Uint8Array(32 * count);
for (let i = 0; i < count; i++) {
  for (let p = 0; p < 4; p++) {
    const from = 20 * ((i - p - 1 + count) % count);
    messages.set(rows.subarray(from, from + 8), 32 * i + 8 * p);
  }
}

// networks with a state: as `steps` in probe.py
const STEPS = 6;
async function steps(session, size) {
  const width = session.inputMetadata.find((input) => input.name === "state").shape[1];
  const whole = new Int32Array((2 + width) * count);
  for (let i = 0; i < count; i += size) {
    const n = Math.min(size, count - i);
    let found = { next: new ort.Tensor("float32", new Float32Array(width * n), [n, width]) };
    for (let k = 0; k < STEPS; k++) {
      const own = new Uint8Array(20 * n);
      for (let row = 0; row < n; row++) {
        const from = 20 * ((i + row - k + count) % count);
        own.set(rows.subarray(from, from + 20), 20 * row);
      }
      found = await session.run({ own: new ort.Tensor("uint8", own, [n, 20]), state: found.next });
    }
    for (let row = 0; row < n; row++) {
      whole.set(found.distribution.data.subarray(2 * row, 2 * row + 2), (2 + width) * (i + row));
      whole.set(found.next.data.subarray(width * row, width * (row + 1)), (2 + width) * (i + row) + 2);
    }
  }
  return createHash("sha256").update(new Uint8Array(whole.buffer)).digest("hex").slice(0, 16);
}

async function outputs(session, size) {
  if (session.inputNames.includes("state")) return steps(session, size);
  const whole = new Int32Array(2 * count);
  for (let i = 0; i < count; i += size) {
    const end = Math.min(i + size, count);
    const inputs = { own: new ort.Tensor("uint8", rows.subarray(20 * i, 20 * end), [end - i, 20]) };
    if (session.inputNames.includes("messages")) {
      inputs.messages = new ort.Tensor("uint8", messages.subarray(32 * i, 32 * end), [end - i, 4, 8]);
    }
    const { distribution } = await session.run(inputs);
    whole.set(distribution.data, 2 * i);
  }
  return createHash("sha256").update(new Uint8Array(whole.buffer)).digest("hex").slice(0, 16);
}

const quantities = {};
for (const folder of ["models", "controls"]) {
  for (const file of readdirSync(join(work, folder)).filter((f) => f.endsWith(".onnx")).sort()) {
    const found = (quantities[file.slice(0, -5)] = {});
    for (const graphOptimizationLevel of ["disabled", "basic", "extended", "all"]) {
      const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(join(work, folder, file))), {
        graphOptimizationLevel,
        executionProviders: [name === "onnxruntime-web" ? "wasm" : "cpu"],
        logSeverityLevel: 4,
      });
      for (const size of [count, 1000]) {
        (found[await outputs(session, size)] ??= []).push(`${graphOptimizationLevel}, batches of ${size}`);
      }
    }
  }
}
const versions = JSON.parse(readFileSync(join("node_modules", name, "package.json")));
console.log(JSON.stringify({ onnxruntime: versions.version, machine: process.arch, node: process.version, quantities }));
process.exit(0);
