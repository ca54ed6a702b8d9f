#!/usr/bin/env -S -u NODE_OPTIONS node
/** The command `beeline`. ipvsadm's command lines bypass commander: it would change them, and take time to load. */

import './no-inspector.js';

import { ipvsadmCall } from './commands/ipvsadm/call.js';

// Not awaited: the bundle is CommonJS, which has no await outside of functions.
void main();

async function main(): Promise<void> {
  const call = ipvsadmCall(process.argv.slice(2));
  if (call === undefined) {
    const { runCommandLine } = await import('./command-line.js');
    await runCommandLine();
  } else {
    const { runTool } = await import('../ipvsadm/index.js');
    process.exitCode = await runTool(call.tool, call.words, call.instance);
  }
}
