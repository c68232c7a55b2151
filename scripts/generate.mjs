// Writes what is derived from the registry: schema/pipeline.schema.json and docs/operators.md. Run it after a
// build, when an operator, source or sink changed; a test compares.
import { mkdirSync, writeFileSync } from 'node:fs';
import { referencePage } from '../dist/pipeline/reference.js';
import { pipelineSchema } from '../dist/pipeline/schema.js';

mkdirSync('schema', { recursive: true });
writeFileSync('schema/pipeline.schema.json', `${JSON.stringify(pipelineSchema(), null, 2)}\n`);
writeFileSync('docs/operators.md', referencePage());
