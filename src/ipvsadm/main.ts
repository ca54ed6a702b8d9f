#!/usr/bin/env node
/** The command `beeline-ipvsadm`, also under links named `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore`. */

import { basename } from 'node:path';

import { runTool, toolNamed } from './tool.js';

// Not awaited: the bundle is CommonJS, which has no await outside of functions.
void runTool(toolNamed(basename(process.argv[1] ?? '')), process.argv.slice(2)).then((status) => {
  process.exitCode = status;
});
