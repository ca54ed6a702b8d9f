/** `beeline schema`: the configuration's JSON Schema. */

import { Command } from 'commander';

import { printJson } from './context.js';

export function schemaCommand(): Command {
  return new Command('schema')
    .summary("print the configuration's JSON Schema")
    .description(
      'Print the JSON Schema of the configuration file. Editors with a YAML language server use it after a first line ' +
        'of "# yaml-language-server: $schema=FILE".',
    )
    .action(async () => {
      const { jsonSchema } = await import('../config/index.js');
      printJson(jsonSchema());
    });
}
