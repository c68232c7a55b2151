// The one way to ONNX Runtime: whoever imports it here imports it silenced.
import './noTelemetry.js';

export * from 'onnxruntime-node';
