// ONNX Runtime's library for Linux reports its use to its maker unless this variable is set when it is
// loaded. Hospital machines have no business with that. Threads share the variables of the process, but only
// its main thread can set them: what starts threads that run models imports this file too.
process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
