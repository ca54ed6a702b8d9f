#!/usr/bin/env node
/** The command `beeline-ipvsadm`, also under links named `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore`. */

import { basename } from 'node:path';

import { runTool, toolNamed } from './tool.js';

process.exitCode = await runTool(toolNamed(basename(process.argv[1] ?? '')), process.argv.slice(2));
