// The only import of ONNX Runtime, which switches its telemetry off.
import './noTelemetry.js';

export * from 'onnxruntime-node';
