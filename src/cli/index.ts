#!/usr/bin/env node
import { useKeptCode } from '../codeCache.js';

// Before any other code is loaded.
useKeptCode();
await import('./start.js');
