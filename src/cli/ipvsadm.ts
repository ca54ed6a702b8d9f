/** `beeline ipvsadm`, `ipvsadm-save`, `ipvsadm-restore`: as "beeline --help" lists them. main.ts runs them before commander. */

import { Command } from 'commander';

import type { Tool } from '../ipvsadm/tool.js';

const SUMMARIES: Readonly<Record<Tool, string>> = {
  ipvsadm: "ipvsadm's commands and listings: beeline ipvsadm -Ln",
  'ipvsadm-save': 'print the ipvsadm commands that make the services anew',
  'ipvsadm-restore': 'replace the services by those that ipvsadm-save printed',
};

export function ipvsadmCommands(): Command[] {
  return Object.entries(SUMMARIES).map(([name, summary]) =>
    new Command(name)
      .summary(summary)
      .description(`${summary}\n"beeline ipvsadm -h" says which options there are.`)
      .argument('[arguments...]', "as ipvsadm's own")
      .helpOption(false)
      .allowUnknownOption()
      .action(async (words: string[]) => {
        const { runTool } = await import('../ipvsadm/tool.js');
        process.exitCode = await runTool(name as Tool, words);
      }),
  );
}
