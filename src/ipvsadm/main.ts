#!/usr/bin/env node
/** The command `beeline-ipvsadm`, and `ipvsadm`, `ipvsadm-save` and `ipvsadm-restore` where links of these names lead here. */

import { basename } from 'node:path';

import { runTool, toolNamed } from './tool.js';

process.exitCode = await runTool(toolNamed(basename(process.argv[1] ?? '')), process.argv.slice(2));
